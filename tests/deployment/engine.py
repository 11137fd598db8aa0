"""podman with a storage, networks and configuration of its own: it sees no container of this machine, and none sees it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NEEDED = ("podman", "runc", "debootstrap")


class CommandFailedError(Exception):
    """A command of the deployment ended with another status than it should."""


@dataclass(frozen=True)
class Engine:
    """Runs podman and podman-compose; `folder` holds images between runs, `tools` the programs from PyPI."""

    folder: Path
    tools: Path
    environment: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def lacking() -> str | None:
        """What this machine lacks to run containers, or None."""
        missing = [name for name in NEEDED if shutil.which(name) is None]
        if missing:
            return f"{', '.join(missing)} not installed (tests/deployment/install_podman.sh installs them)"
        return None if os.geteuid() == 0 else "containers with limits and networks are run as root"

    @classmethod
    def made(cls, folder: Path, tools: Path) -> "Engine":
        """Write the configuration into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        driver = "overlay" if overlays_work(folder) else "vfs"
        storage = f'[storage]\ndriver = "{driver}"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/{driver}"\n'
        (folder / "storage.conf").write_text(storage)
        (folder / "containers.conf").write_text(
            '[containers]\ncgroupns = "host"\ndefault_ulimits = ["nofile=20000:20000"]\n'
            f'[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\ntmp_dir = "{folder}/tmp"\n'
            f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{folder}/networks"\n'
        )
        own = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "PATH": f"{tools / 'bin'}:{os.environ['PATH']}",
        }
        return cls(folder, tools, {**os.environ, **own})

    def run(self, *command: str, cwd: Path | None = None, status: int | None = 0, **more: str) -> str:
        """What a command prints, both streams in one; CommandFailedError unless it ends with `status`."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        if status is not None and done.returncode != status:
            raise CommandFailedError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-6000:]}")
        return "\n".join(line for line in done.stdout.splitlines() if not is_noise(line))

    def podman(self, *arguments: str, status: int | None = 0) -> str:
        """What `podman ARGUMENTS` prints."""
        return self.run("podman", *arguments, status=status)

    def inspect(self, name: str) -> dict[str, Any]:
        """All that podman knows of a container or an image."""
        told = self.podman("inspect", name)
        facts: dict[str, Any] = json.loads(told[told.index("[") :])[0]
        return facts

    def inside(self, container: str, *command: str, status: int | None = 0) -> str:
        """What a command prints in a running container."""
        return self.podman("exec", container, *command, status=status).strip()

    def has_image(self, name: str) -> bool:
        """Whether an image is there already."""
        return bool(self.podman("images", "-q", name).strip())

    def clear(self) -> None:
        """Remove every container, volume and network; images stay."""
        self.podman("rm", "-f", "-a", "-t", "0", status=None)
        for kind in ("volume", "network"):
            self.podman(kind, "prune", "-f", status=None)


def is_noise(line: str) -> bool:
    """Whether a line is podman's word on the missing systemd or terminal."""
    told = ("healthchecks:", "healthcheck:", "The input device is not a TTY", "failed to connect to syslog")
    return any(one in line for one in told)


def overlays_work(folder: Path) -> bool:
    """Whether the kernel lays one folder over another here; vfs, which copies whole images, always works."""
    trial = folder / "trial"
    parts = {name: trial / name for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        part.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(parts["merged"])]
    works = subprocess.run(command, capture_output=True).returncode == 0
    if works:
        subprocess.run(["umount", str(parts["merged"])], check=True)
    shutil.rmtree(trial)
    return works
