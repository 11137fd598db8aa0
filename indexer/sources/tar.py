"""The plain files of a tar, in one forward pass and flat memory, trusting nothing.

Nothing is ever written or opened: a member's name is a text, never a path. Links, devices, pipes and sparse
files are named and passed over. What breaks the archive ends it as `BrokenTar`, after all that came before.
"""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from indexer.decode import printable

MOST_HEADER = 64_000
"""Bytes of headers (long names, further attributes) that one member may take."""

_LONG_NUMBER = re.compile(rb"[0-9]{300}")
_GZIP, _ZSTD, _BLOCK = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", 512


class BrokenTar(Exception):
    """Why an archive could be read only so far, as the end of a sentence."""


@dataclass(frozen=True)
class Member:
    """One member: its name as text, its bytes or, where it has none to give, the reason."""

    name: str
    data: bytes | None = None
    reason: str = ""


def members(file: BinaryIO, wanted: tuple[str, ...], most: int) -> Iterator[Member]:
    """The members whose names end in one of `wanted` (lower case), in their order.

    One of more than `most` bytes, or that is no plain file, comes without data. `file` is read forward
    only, and may be compressed by gzip. Raises BrokenTar where the archive ends before its end or is damaged.
    """
    forward = _Forward(file)
    name = ""
    try:
        tar = tarfile.TarFile(fileobj=forward, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        while (info := tar.next()) is not None:
            name = printable(info.name)
            if info.size < 0:
                raise tarfile.ReadError("a size is less than nothing")
            if name.lower().endswith(wanted) and not info.isdir():
                yield _member(forward, info, name, most)
            tar.members.clear()  # type: ignore[attr-defined]  # it would remember every member
            tar.pax_headers.clear()  # type: ignore[attr-defined]
            forward.begin_header()
        forward.check_end()
    except BrokenTar:
        raise
    except Exception as error:  # hostile bytes reach the parsers of headers and of compressed data
        near = f" near {name}" if name else ""
        raise BrokenTar(f"broke at byte {forward.tell():,}{near}: {_why(error)}") from None


def _member(forward: "_Forward", info: tarfile.TarInfo, name: str, most: int) -> Member:
    if info.issparse():
        return Member(name, reason="is a sparse file, which is not read.")
    if not info.isreg():
        return Member(name, reason="is a link, device or pipe in the archive; only plain files are read.")
    if info.size > most:
        return Member(name, reason=f"has {info.size:,} bytes; at most {most:,} are read.")
    forward.seek(info.offset_data)
    data = forward.take(info.size)
    if len(data) < info.size:
        raise tarfile.ReadError("the file ends inside this member")
    return Member(name, data)


class _Forward:
    """A file as tarfile wants it, that only goes forward and bounds what a header can make it read."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            beginning = file.read(4)
        except OSError as error:
            raise BrokenTar(f"broke at byte 0: {_why(error)}") from None
        if beginning.startswith(_ZSTD):
            raise BrokenTar("is compressed by zstd, which is not read; use gzip or none")
        joined = _Joined(beginning, file)
        self._file: BinaryIO | gzip.GzipFile | _Joined = (
            gzip.GzipFile(fileobj=joined, mode="rb") if beginning.startswith(_GZIP) else joined  # type: ignore[call-overload]
        )
        self._place = 0
        self._header_from = 0
        self._last = b""

    def tell(self) -> int:
        return self._place

    def begin_header(self) -> None:
        """What is read from now on belongs to another member's headers."""
        self._header_from = -1

    def read(self, size: int) -> bytes:
        """For headers: raises ReadError when they are larger than any honest one."""
        if self._header_from < 0:
            self._header_from = self._place
        if size < 0 or self._place + size - self._header_from > MOST_HEADER:
            raise tarfile.ReadError("its headers are larger than any real ones")
        self._last = self.take(size)
        if _LONG_NUMBER.search(self._last):  # some versions of tarfile take hours over one
            raise tarfile.ReadError("a header holds a number longer than any real one")
        return self._last

    def take(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        parts, missing = list[bytes](), size
        while missing and (part := self._file.read(min(missing, 1 << 20))):
            parts.append(part)
            missing -= len(part)
        self._place += size - missing
        return b"".join(parts)

    def seek(self, place: int, whence: int = 0) -> int:
        """Forward to a place, by reading."""
        if whence or place < self._place:
            raise tarfile.ReadError("its parts overlap")
        while self._place < place:
            if not self.take(min(place - self._place, 1 << 20)):
                break
        self._header_from = -1
        return self._place

    def check_end(self) -> None:
        """Raises ReadError unless the end mark was read: tarfile also stops at damage, silently."""
        if len(self._last) < _BLOCK:
            raise tarfile.ReadError("the file ends without the mark of an archive's end")
        if any(self._last):
            raise tarfile.ReadError("a header is damaged")


class _Joined:
    """The few bytes that were looked at, then the rest of the file."""

    def __init__(self, beginning: bytes, file: BinaryIO) -> None:
        self._beginning, self._file = beginning, file

    def read(self, size: int = -1) -> bytes:
        if not self._beginning:
            return self._file.read(size)
        part = self._beginning if size < 0 else self._beginning[:size]
        self._beginning = self._beginning[len(part) :]
        return part


def _why(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "the compressed data end too early"
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return "the compressed data are damaged"
    if isinstance(error, RecursionError):
        return "its headers are nested deeper than any real ones"
    return (str(error).splitlines() or [""])[0].rstrip(".")[:200] or type(error).__name__
