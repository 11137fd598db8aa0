"""The C library that sees, fails and records a process's file calls: compiled when a test first needs it."""

import ctypes
import errno
import shutil
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
KINDS = ("open", "read", "write", "sync", "rename", "truncate", "unlink", "mkdir", "map")
SHORT = "short"
"""Instead of an error's name: a write takes half of its bytes."""

_HEADER = struct.Struct("<c7xQqqII")


@dataclass(frozen=True)
class Change:
    """One recorded change: c(reate), w(rite), t(runcate), s(ync), d(irectory sync), r(ename), u(nlink),
    m(kdir), or ! for a mark, whose text is `path`."""

    what: str
    inode: int
    offset: int
    data: bytes
    path: str
    other: str


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def compile_shim(folder: Path) -> Path:
    """The library in the folder, ready for LD_PRELOAD."""
    library = folder / "shim.so"
    command = [compiler(), "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


class Shim:
    """The library inside this process, which was started with it."""

    def __init__(self) -> None:
        self._calls = ctypes.CDLL(None)
        self._calls.faults_seen.restype = self._calls.faults_hits.restype = ctypes.c_long

    def watch(self, folder: str, log: int = -1) -> None:
        """Look at what happens below the folder; write the changes to the open file `log`."""
        self._calls.faults_watch(folder.encode(), log)

    def plan(self, kind: str = "", when: int = 0, error: str = "", lasting: bool = False) -> None:
        """Fail the call number `when` of the kind, or all from there on; counts start anew."""
        number = KINDS.index(kind) if kind else -1
        code = 0 if error in ("", SHORT) else getattr(errno, error)
        self._calls.faults_plan(number, ctypes.c_long(when), code, int(lasting))

    @contextmanager
    def resting(self):
        """What this thread does inside is not looked at."""
        self._calls.faults_rest(1)
        try:
            yield
        finally:
            self._calls.faults_rest(0)

    def seen(self) -> dict[str, int]:
        """How many calls of each kind came since `plan`."""
        return {kind: self._calls.faults_seen(place) for place, kind in enumerate(KINDS)}

    def hits(self) -> int:
        """How many calls were made to fail."""
        return self._calls.faults_hits()

    def mark(self, text: str) -> None:
        """Put a text between the recorded changes."""
        self._calls.faults_mark(text.encode())


def read_log(path: Path) -> list[Change]:
    """The changes in the order they happened."""
    data, place, changes = path.read_bytes(), 0, []
    while place < len(data):
        what, inode, offset, length, first, second = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        names = data[place : place + first].decode(), data[place + first : place + first + second].decode()
        place += first + second
        held = length if what == b"w" else 0
        changes.append(Change(what.decode(), inode, offset, data[place : place + held], *names))
        place += held
    return changes
