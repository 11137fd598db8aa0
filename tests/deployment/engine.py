"""What runs containers, podman or Docker, with storage, networks and configuration of its own.

`CSKT_ENGINE` chooses (podman unless it says docker): see podman_engine.py and docker_engine.py.
"""

import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class CommandFailedError(Exception):
    """A command of the deployment ended with another status than it should."""


class Engine(ABC):
    """Runs an engine and its compose; `folder` holds images between runs, `tools` the programs from PyPI."""

    program: ClassVar[str]
    compose: ClassVar[Sequence[str]]
    job: ClassVar[Sequence[str]]
    joint: ClassVar[str]  # of the words in a container's name
    needed: ClassVar[Sequence[str]]
    build_options: ClassVar[Sequence[str]] = ()

    def __init__(self, folder: Path, tools: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.tools = folder, tools
        self.environment: dict[str, str] = {**os.environ, "PATH": f"{tools / 'bin'}:{os.environ['PATH']}"}

    @classmethod
    def lacking(cls) -> str | None:
        """What this machine lacks to run containers, or None."""
        missing = [name for name in (*cls.needed, "debootstrap") if shutil.which(name) is None]
        if missing:
            how = f"tests/deployment/install_engine.sh {cls.program}"
            return f"{', '.join(missing)} not installed ({how} installs them)"
        return None if os.geteuid() == 0 else "containers with limits and networks are run as root"

    @abstractmethod
    def start(self) -> None:
        """Get ready, with nothing running."""

    def stop(self) -> None:
        """Leave nothing running."""
        self.clear()

    @abstractmethod
    def clear(self) -> None:
        """Remove every container, volume and network, and images that newer ones have replaced."""

    @abstractmethod
    def build_base_with_packages(self, base: str) -> tuple[str, Sequence[str]]:
        """A base in which apt reaches what it reaches here, and further options for building on it."""

    @abstractmethod
    def healthy(self, container: str) -> bool:
        """Whether the health check of a running container passes."""

    @abstractmethod
    def health_check_of(self, image: Mapping[str, Any]) -> Sequence[str]:
        """The health check of an inspected image."""

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
        return "\n".join(line for line in done.stdout.splitlines() if not self.is_noise(line))

    def call(self, *arguments: str, status: int | None = 0) -> str:
        """What the engine prints."""
        return self.run(self.program, *arguments, status=status)

    def build(self, *arguments: str, base: str, target: str, tag: str, folder: Path) -> None:
        """An image of one stage of a Dockerfile."""
        chosen = ("--build-arg", f"BASE_IMAGE={base}", "--target", target, "-t", tag)
        self.call("build", *self.build_options, *arguments, *chosen, str(folder))

    def inspect(self, name: str) -> dict[str, Any]:
        """All that the engine knows of a container or an image."""
        told = self.call("inspect", name)
        facts: dict[str, Any] = json.loads(told[told.index("[") :])[0]
        return facts

    def inside(self, container: str, *command: str, status: int | None = 0) -> str:
        """What a command prints in a running container."""
        return self.call("exec", container, *command, status=status).strip()

    def has_image(self, name: str) -> bool:
        """Whether an image is there already."""
        return bool(self.call("images", "-q", name).strip())

    def is_noise(self, line: str) -> bool:
        """Whether a line is about the engine and not from the command."""
        return False


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
