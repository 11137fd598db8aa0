"""Docker's engine, started for these tests, and `docker compose`."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import Engine, overlays_work

START_SECONDS, HEALTH_SECONDS = 60, 60


class Docker(Engine):
    """A daemon of its own, with its own images, which ends with the tests."""

    program, compose, needed = "docker", ("docker", "compose"), ("docker", "dockerd")
    job, joint = ("run", "--rm"), "-"

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder, tools)
        self._run = Path(tempfile.mkdtemp(prefix="cskt-docker-"))  # sockets need a short path
        self._daemon: subprocess.Popen[bytes] | None = None
        self._forwarding = ""
        self.environment |= {
            "DOCKER_HOST": f"unix://{self._run}/socket",
            "DOCKER_BUILDKIT": "1",
            # a client of another origin may lack what builds
            "PATH": f"/usr/bin:{self.environment['PATH']}",
        }

    @classmethod
    def lacking(cls) -> str | None:
        """What this machine lacks to run containers, or None."""
        has_compose = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        return super().lacking() or (
            None
            if has_compose
            else "no `docker compose` (tests/deployment/install_engine.sh docker installs it)"
        )

    def start(self) -> None:
        """Start the daemon and wait for it. TimeoutError."""
        driver = "overlay2" if overlays_work(self.folder) else "vfs"
        places = {"data-root": self.folder / "docker", "exec-root": self._run / "exec"}
        places |= {"pidfile": self._run / "pid", "host": self.environment["DOCKER_HOST"]}
        options = [f"--{name}={value}" for name, value in places.items()]
        self._forwarding = self.run("iptables", "-S", "FORWARD").splitlines()[0]
        with (self.folder / "dockerd.log").open("wb") as log:
            command = ["dockerd", *options, f"--storage-driver={driver}"]
            self._daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while subprocess.run([self.program, "info"], env=self.environment, capture_output=True).returncode:
            if time.monotonic() > end or self._daemon.poll() is not None:
                raise TimeoutError(f"dockerd does not start: {self.folder / 'dockerd.log'}")
            time.sleep(0.5)
        self.clear()

    def stop(self) -> None:
        """Leave nothing running."""
        if self._daemon is not None and self._daemon.poll() is None:
            self.clear()
            self._daemon.terminate()
            self._daemon.wait(60)
            # the daemon forbids forwarding to all others and leaves that behind: podman's networks would fail
            self.run("iptables", *self._forwarding.split())
        shutil.rmtree(self._run, ignore_errors=True)

    def clear(self) -> None:
        """Remove every container, volume and network, and images that newer ones have replaced."""
        if containers := self.call("ps", "-aq").split():
            self.call("rm", "-f", "-v", *containers, status=None)
        for kind in ("volume", "network", "image"):
            self.call(kind, "prune", "-f", status=None)

    def build_base_with_packages(self, base: str) -> tuple[str, Sequence[str]]:
        """The base and apt's own settings, which cannot be mounted while an image is built."""
        source = self.folder / "with_apt"
        shutil.rmtree(source, ignore_errors=True)
        for name, path in {"apt": "/etc/apt", "certs": "/etc/ssl/certs"}.items():
            shutil.copytree(path, source / name, symlinks=False, ignore_dangling_symlinks=True)
        lines = (f"FROM {base}", "COPY apt /etc/apt", "COPY certs /etc/ssl/certs")
        (source / "Dockerfile").write_text("\n".join((*lines, "")))
        self.call("build", "-t", f"{base}-with-apt", str(source))
        return f"{base}-with-apt", ("--network", "host")

    def healthy(self, container: str) -> bool:
        """Docker runs the check by itself: whether it says so in time."""
        end = time.monotonic() + HEALTH_SECONDS
        while self.inspect(container)["State"]["Health"]["Status"] != "healthy":
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
        return True

    def health_check_of(self, image: Mapping[str, Any]) -> Sequence[str]:
        """The health check of an inspected image."""
        return list(image["Config"]["Healthcheck"]["Test"])

    def is_noise(self, line: str) -> bool:
        """Whether a line is compose's word on what it makes."""
        return re.match(r" (Network|Volume|Container) \S+  [A-Z][a-z]+$", line) is not None
