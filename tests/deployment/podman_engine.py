"""podman, and podman-compose from PyPI."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import Engine, overlays_work

FILES, PROCESSES = 20_000, 4096  # podman's own defaults may be more than this machine grants


class Podman(Engine):
    """Sees no other container of this machine."""

    program, compose, needed = "podman", ("podman-compose",), ("podman", "runc")
    job, joint = ("--profile", "jobs", "run", "--rm"), "_"
    build_options = ("--format", "docker", "--isolation", "oci")

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder, tools)
        driver = "overlay" if overlays_work(folder) else "vfs"
        storage = (
            f'[storage]\ndriver = "{driver}"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/{driver}"\n'
        )
        (folder / "storage.conf").write_text(storage)
        limits = f'"nofile={FILES}:{FILES}", "nproc={PROCESSES}:{PROCESSES}"'
        sections = (
            f'[containers]\ncgroupns = "host"\ndefault_ulimits = [{limits}]',
            f'[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\ntmp_dir = "{folder}/tmp"',
            'events_logger = "file"',
            f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{folder}/networks"',
        )
        (folder / "containers.conf").write_text("\n".join((*sections, "")))
        self.environment |= {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def start(self) -> None:
        """Nothing runs yet."""
        self.clear()

    def clear(self) -> None:
        """Remove every container, volume and network, and images that newer ones have replaced."""
        self.call("rm", "-f", "-a", "-t", "0", status=None)
        for kind in ("volume", "network", "image"):
            self.call(kind, "prune", "-f", status=None)

    def build_base_with_packages(self, base: str) -> tuple[str, Sequence[str]]:
        """The base itself: apt's own settings are mounted while it is built on."""
        mounts = [option for path in ("/etc/apt", "/etc/ssl/certs") for option in ("-v", f"{path}:{path}:ro")]
        return base, ("--network", "host", *mounts)

    def healthy(self, container: str) -> bool:
        """Run the check now: it has no systemd to do it by itself."""
        self.call("healthcheck", "run", container)
        return True

    def health_check_of(self, image: Mapping[str, Any]) -> Sequence[str]:
        """The health check of an inspected image."""
        return list(image["Healthcheck"]["Test"])

    def is_noise(self, line: str) -> bool:
        """Whether a line is podman's word on the missing systemd or terminal."""
        told = (
            "healthchecks:",
            "healthcheck:",
            "The input device is not a TTY",
            "failed to connect to syslog",
        )
        return any(one in line for one in told)
