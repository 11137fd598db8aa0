"""Objects behind URLs, through fsspec: read in a stream, read at will, listed.

An address is opened exactly as it was named: a web server that sends us elsewhere is not followed, as what
it names may lie inside the network of this machine. Every error becomes `Unreachable`, whose sentence never
holds an address, since addresses can hold passwords. Credentials and endpoints come from where the package of
each protocol looks for them (for S3: the AWS configuration, or FSSPEC_S3_* variables).
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from indexer.sources.urls import WEB, Url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from aiohttp import ClientResponse
    from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

CONNECT_SECONDS = 10
SILENT_SECONDS = 30
"""A server that says nothing for so long is given up."""

PAUSES = (0.2, 1.0)
"""Seconds before the second and the third try."""

BLOCK = 4_000_000
NOT_FOUND = "was not found"
NO_PARTS = "can only be read from beginning to end there; copy it to this machine"
REMEDIES = {"gs": "pip install gcsfs"}
REMEDY = "pip install cskt[cloud]"
T = TypeVar("T")


class Unreachable(OSError):
    """Why an object or a listing could not be read, as the end of a sentence: "was not found"."""

    def __init__(self, why: str, may_pass: bool = False) -> None:
        super().__init__(why)
        self.may_pass = may_pass


class _Redirected(Exception):
    """A web server answered with another address."""


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a name without its folder, and whether it is a folder itself."""

    name: str
    is_folder: bool


def open_stream(url: Url) -> BinaryIO:
    """The object from its beginning, forward only. Raises Unreachable, also while reading."""
    return _tried(lambda: _open_stream(url))


def open_seekable(url: Url) -> BinaryIO:
    """The object for reading any part of it, as far as its server gives out parts. Raises Unreachable."""
    file = _tried(lambda: _system(url).open(url.full, "rb", block_size=BLOCK))
    reading = _Reading(file)
    if not reading.seekable():
        reading.close()
        raise Unreachable(NO_PARTS)
    return cast(BinaryIO, io.BufferedReader(reading, 1 << 16))


def read_object(url: Url, most: int) -> bytes:
    """The object's bytes, at most `most` + 1 of them. Raises Unreachable."""

    def once() -> bytes:
        with _open_stream(url) as file:
            return file.read(most + 1)

    return _tried(once)


def list_folder(url: Url) -> list[Entry]:
    """What lies directly in a folder, sorted by name; nothing that lies elsewhere. Raises Unreachable."""

    def once() -> list[Entry]:
        found = set[Entry]()
        root = _inside(_system(url)._strip_protocol(url.full.rstrip("/")))
        for facts in _system(url).ls(url.full.rstrip("/") + "/", detail=True):
            named = facts["name"]
            if url.protocol in WEB:  # what sorts an index page is no part of a file's name
                named = named.partition("?")[0].partition("#")[0]
            path = _inside(named)
            name = path.removeprefix(root + "/").strip("/")
            if path.startswith(root + "/") and name and "/" not in name and name not in (".", ".."):
                found.add(Entry(name, facts["type"] == "directory"))
        return sorted(found, key=lambda entry: entry.name)

    return _tried(once)


def exists(url: Url) -> bool:
    """Whether there is an object at this address. Raises Unreachable where that cannot be known."""
    try:
        open_stream(url).close()
    except Unreachable as error:
        if str(error) == NOT_FOUND:
            return False
        raise
    return True


def _open_stream(url: Url) -> BinaryIO:
    more = {"block_size": 0, "size": 1} if url.protocol in WEB else {"block_size": BLOCK}
    file = _system(url).open(url.full, "rb", **more)
    return cast(BinaryIO, io.BufferedReader(_Reading(file), 1 << 20))


def _inside(path: str) -> str:
    """A listed name without its protocol and the slashes around it."""
    return path.partition("://")[2].strip("/") if "://" in path else path.strip("/")


class _Reading(io.RawIOBase):
    """A file of fsspec as Python's own; closes it, and says what went wrong without naming an address."""

    def __init__(self, file: "AbstractBufferedFile") -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return type(self._file).__name__ != "HTTPStreamFile" and bool(self._file.seekable())

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._file.read(len(view))
        except Exception as error:
            raise Unreachable(_why(error), _may_pass(error)) from None
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except Exception as error:
            raise Unreachable(_why(error)) from None

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _system(url: Url) -> "AbstractFileSystem":
    """fsspec's file system for a protocol; it keeps one for each and its connections open."""
    try:
        import fsspec

        return fsspec.filesystem(url.protocol, **_options(url.protocol))
    except ImportError:
        remedy = REMEDIES.get(url.protocol, REMEDY)
        raise Unreachable(f"needs a package that is not installed: run {remedy}") from None


def _options(protocol: str) -> dict[str, Any]:
    if protocol in WEB:
        from aiohttp import ClientTimeout

        patience = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        return {
            "allow_redirects": False,
            "client_kwargs": {"timeout": patience, "raise_for_status": _refuse_redirects},
            "use_listings_cache": False,
        }
    if protocol == "s3":
        patience_of_s3 = {"connect_timeout": CONNECT_SECONDS, "read_timeout": SILENT_SECONDS}
        return {"config_kwargs": patience_of_s3, "use_listings_cache": False}
    return {}


async def _refuse_redirects(response: "ClientResponse") -> None:
    if 300 <= response.status < 400:
        response.close()
        raise _Redirected


def _tried(act: Callable[[], T]) -> T:
    """What `act` returns, at the third try where the fault may pass. Raises Unreachable."""
    for pause in (*PAUSES, None):
        try:
            return act()
        except Exception as error:
            if pause is None or not _may_pass(error):
                raise Unreachable(_why(error)) from None
        time.sleep(pause)
    raise AssertionError("unreachable")


def _status(error: Exception) -> int:
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else 0


def _may_pass(error: Exception) -> bool:
    if isinstance(error, Unreachable):
        return error.may_pass
    if status := _status(error):
        return status == 429 or status >= 500
    if type(error).__name__ in ("ClientPayloadError", "ServerDisconnectedError"):  # broken off
        return True
    lasting = (
        FileNotFoundError,
        PermissionError,
        IsADirectoryError,
        NotADirectoryError,
        ImportError,
        ValueError,
    )
    return isinstance(error, OSError | TimeoutError) and not isinstance(error, lasting)


def _why(error: Exception) -> str:
    if isinstance(error, Unreachable):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return "may not be read with the credentials of this machine"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, _Redirected):
        return "is elsewhere now, which is not followed: name the address that its server sends on to"
    if isinstance(error, ValueError) and "range requests" in str(error):
        return NO_PARTS
    if status := _status(error):
        return f"was answered with HTTP status {status}"
    return f"cannot be read ({type(error).__name__})"
