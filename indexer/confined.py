"""A process for bytes that nobody vouches for: it computes and answers, and can read and send nothing else.

The parent starts a bare Python that runs one module, without the environment, the files and the terminal of
its own. The child loads what it needs, then `confine` takes from it for ever: opening any file, socket or
pipe, writing files, starting processes, dumping core, and more memory than `Limits` allow. It ends with its
parent, however that ends: its channel closes, and what it is doing then has a time limit kept by the kernel.

Where the kernel has Landlock, it also takes from it deleting and renaming files, the network and signals to
other processes (see `landlock.py`); elsewhere those are left to whoever takes such a process over.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.channel import Channel, ChannelClosed, NonsenseReceived, start_child
from indexer.errors import GalleryError
from indexer.landlock import give_up_everything

OUT_OF_MEMORY = 75
"""Exit code of a child that could not go on for want of memory."""

STARTING_SECONDS = 60.0
SLACK = 1.0
"""Seconds after which the parent ends a child that its own clock should have ended."""


@dataclass(frozen=True)
class Limits:
    """What one child may use: bytes above what it starts with; for one request seconds of processor and in
    all. `threads`: whether it may start any.
    """

    memory: int = 1 << 30
    cpu_seconds: float = 5.0
    wall_seconds: float = 30.0
    threads: bool = False


class ConfinedProcess:
    """A child that runs `python -m MODULE`, and the channel to it; trusted with nothing before `confine`.

    Raises GalleryError if it cannot be started.
    """

    def __init__(self, module: str) -> None:
        self._limits = Limits()
        try:
            self._process, ours = start_child(module, ["-S", "-s"], _environment(), folder="/")
        except OSError as error:
            raise GalleryError(
                f"no process can be started to decode with: {error.strerror}; use fewer --workers."
            ) from error
        self.channel = Channel(ours, STARTING_SECONDS)

    def confine(self, limits: Limits, setup: bytes = b"") -> None:
        """Send it its limits and `setup`, and wait until it says that it is confined.

        Raises GalleryError if it does not.
        """
        self._limits = limits
        try:
            self.channel.send(asdict(limits), setup)
            self.channel.receive(0)
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            self.end(error)
            raise GalleryError(
                "a process to decode with did not start; its own error stands above."
            ) from error
        self.channel.wait_for(limits.wall_seconds + SLACK)

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it; may be called from any thread, while another one waits for its answer."""
        self._process.kill()

    def end(self, error: Exception | None = None) -> str:
        """End it if it has not ended, and say in a sentence what came of it.

        `error`: what its channel raised.
        """
        self.channel.close()
        if isinstance(error, ChannelClosed):
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is about to end by itself
                self._process.wait(SLACK)
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        if isinstance(error, TimeoutError) or ended == -signal.SIGALRM:
            return f"took longer than {self._limits.wall_seconds:g} s."
        if ended == -signal.SIGPROF:
            return f"took longer than {self._limits.cpu_seconds:g} s."
        if ended == OUT_OF_MEMORY:
            return "needs too much memory."
        if ended is None or isinstance(error, NonsenseReceived):
            return "the decoder gave an answer that makes no sense."
        return f"the decoder died on it ({f'signal {-ended}' if ended < 0 else f'exit code {ended}'})."


def confine(limits: Limits) -> None:
    """In the child: give up for ever all that decoding does not need. Everything must be loaded by now."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # until now errors of starting were shown
    with contextlib.suppress(OSError):  # short of memory, the system is to end this process first
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    size = _address_space()
    give_up_everything()
    closed = [resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE]
    if not limits.threads:
        closed.append(resource.RLIMIT_NPROC)
    if size is not None:
        resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory, size + limits.memory))
    for limit in closed:
        resource.setrlimit(limit, (0, 0))


@contextmanager
def timed(limits: Limits) -> Iterator[None]:
    """In the child: one request. The kernel ends the process when it takes too long."""
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _environment() -> dict[str, str]:
    """No secret of the parent's; the modules are found where it finds them."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    paths = [str(Path(entry).absolute()) for entry in sys.path]  # "" is the folder that we are in
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}


def _address_space() -> int | None:
    """Bytes of address space in use, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()
