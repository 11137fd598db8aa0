"""A deployment as docker/README.md starts one, in a folder of its own, and a client of its proxy."""

import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from engine import ROOT, Engine
from images import BASE, CADDY, CSKT, GRAFANA, PROMETHEUS

GALLERY = "/data/gallery"


@dataclass(frozen=True)
class Deployed:
    """A folder with compose.yaml, .env and secrets, and what was shown when they were made."""

    engine: Engine
    folder: Path
    port: int
    grafana_port: int
    search_key: str
    audit_key: str

    def compose(self, *arguments: str, status: int | None = 0) -> str:
        """What compose prints."""
        return self.engine.run(*self.engine.compose, *arguments, cwd=self.folder, status=status)

    def indexer(self, *arguments: str, volumes: tuple[str, ...] = (), status: int | None = 0) -> str:
        """What a job prints: `docker compose run --rm indexer ...`."""
        more = [option for volume in volumes for option in ("-v", volume)]
        return self.compose(*self.engine.job, *more, "indexer", *arguments, status=status)

    def container(self, part: str) -> str:
        """The name of the container of a part that runs once."""
        return self.engine.joint.join(("cskt", part, "1"))

    def script(self, name: str, status: int | None = 0) -> str:
        """What one of docker/'s scripts prints."""
        own = {"ENGINE": self.engine.program, "COMPOSE": " ".join(self.engine.compose)}
        return self.engine.run("sh", name, cwd=self.folder, status=status, **own)

    def up(self) -> None:
        """Start all that a user starts, and wait until searches are answered."""
        self.compose("up", "-d")
        self.wait_until_ready()

    def down(self) -> None:
        """Stop and remove all; compose alone may leave the replicas that an upgrade made."""
        self.engine.call("stop", "-t", "20", *(replicas := self.replicas()))
        self.engine.call("rm", "-f", *replicas)
        self.compose("down")

    def replicas(self) -> list[str]:
        """Names of the running services."""
        names = self.engine.call("ps", "--format", "{{.Names}}").split()
        return sorted(name for name in names if name.startswith(self.container("service")[:-1]))

    def wait_until_ready(self) -> None:
        """Until every replica says so, and the proxy passes it on."""

        def ready() -> bool:
            probe = ("python", "-m", "service.probe")
            told = [self.engine.call("exec", one, *probe, status=None) for one in self.replicas()]
            return bool(told) and not any(told)

        wait_for(ready, "the service to be ready")
        try:
            wait_for(lambda: self.get("/readyz").status_code == httpx.codes.OK, "the proxy to reach it")
        except TimeoutError as error:
            error.add_note(self.engine.call("logs", "--tail", "20", self.container("proxy"), status=None))
            raise

    def client(self, **more: object) -> httpx.Client:
        """A client that trusts the proxy's own authority and nobody else."""
        authority = "/data/caddy/pki/authorities/local/root.crt"
        root = self.engine.inside(self.container("proxy"), "cat", authority)
        trust = ssl.create_default_context(cadata=root + "\n")
        return httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=trust, trust_env=False, timeout=30, **more
        )  # type: ignore[arg-type]

    def get(self, path: str, **more: object) -> httpx.Response:
        """One request of a new client; 503 where nobody listens yet."""
        try:
            with self.client() as client:
                return client.get(path, **more)  # type: ignore[arg-type]
        except (httpx.TransportError, ssl.SSLError):
            return httpx.Response(httpx.codes.SERVICE_UNAVAILABLE)

    def search(self, text: str, key: str | None = None) -> httpx.Response:
        """A search by somebody who knows the first key."""
        with self.client() as client:
            return client.post("/v1/search", json={"text": text}, headers=self.bearer(key))

    def bearer(self, key: str | None = None) -> dict[str, str]:
        """The header of a key; the first investigator's unless told."""
        return {"Authorization": f"Bearer {key or self.search_key}"}

    def items(self) -> int:
        """How many crops the gallery holds, as the service says."""
        return int(self.get("/v1/gallery", headers=self.bearer()).json()["items"])


def wait_for(done: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Ask twice a second; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.5)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def prepare(engine: Engine, folder: Path, images: Path, replicas: int) -> Deployed:
    """Copy docker/, choose images and a port in .env, and make secrets and keys with first-start.sh."""
    shutil.copytree(
        ROOT / "docker", folder, ignore=shutil.ignore_patterns(".env", "secrets", "wheels", "images")
    )
    port, grafana_port = free_port(), free_port()
    chosen = {"CSKT_IMAGE": CSKT, "PROXY_IMAGE": CADDY, "PROMETHEUS_IMAGE": PROMETHEUS, "HTTPS_PORT": port}
    chosen |= {"GRAFANA_IMAGE": GRAFANA, "GRAFANA_PORT": grafana_port}
    chosen |= {"BASE_IMAGE": BASE, "IMAGES": images, "SERVICE_REPLICAS": replicas}
    settings = (folder / "env.example").read_text()
    for name, value in chosen.items():
        settings, found = re.subn(rf"^{name}=.*$", f"{name}={value}", settings, flags=re.MULTILINE)
        assert found == 1, name
    (folder / ".env").write_text(settings)
    told = engine.run("sh", "first-start.sh", cwd=folder, COMPOSE=" ".join(engine.compose))
    search, audit = re.findall(r"^cskt_\S+$", told, re.MULTILINE)
    return Deployed(engine, folder, port, grafana_port, search, audit)
