"""A real `cskt serve` in a process of its own, for as long as it is measured."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from model.bench_report import resident_bytes
from service.probe import is_ready

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, PROBE_SECONDS = 180.0, 20.0, 60.0


@dataclass(frozen=True)
class Served:
    """A running service."""

    process: int
    port: int

    def processes(self) -> list[int]:
        """Of the service, and those it has started: its encoder, and those that decode."""
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        found = [self.process]
        for one in found:
            found += [child for child, parent in parents.items() if parent == one]
        return found


def resident(processes: Sequence[int]) -> int:
    """Bytes resident of all that still run."""
    return sum(resident_bytes(one) for one in processes if Path(f"/proc/{one}").exists())


@contextmanager
def serving(gallery: Path, encoder: str, logs: Path) -> Iterator[Served]:
    """A `cskt serve` that is ready; it is stopped whatever happens, also when this process is told to end."""
    command = [sys.executable, "-m", "service", "serve", "--gallery", str(gallery)]
    command += ["--encoder", encoder, "--host", HOST, "--port", "0"]
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with (logs / "out").open("wb") as out, (logs / "err").open("wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            yield Served(process.pid, _wait_until_ready(process, logs))
        finally:
            _stop(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_ready(process: "subprocess.Popen[bytes]", logs: Path) -> int:
    """The port, once the service says that it is ready. Raises ServeError when it ends or takes too long."""
    from service.errors import ServeError

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            said = (logs / "err").read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ServeError(f"The service ended before it was ready: {said[-1].removeprefix('cskt: ')}")
        named = re.search(rf"http://{re.escape(HOST)}:(\d+) ", (logs / "out").read_text())
        if named and is_ready(int(named[1]), PROBE_SECONDS):
            return int(named[1])
        time.sleep(0.05)
    raise ServeError(f"The service was not ready within {START_SECONDS:.0f} seconds; see what it waits for.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
