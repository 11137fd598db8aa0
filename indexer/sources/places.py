"""Where a file lies: on this machine or behind a URL, read in the same way."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from indexer.decode import MOST_BYTES, UnreadableImageError, printable, read_file
from indexer.errors import SourceError
from indexer.sources import remote
from indexer.sources.urls import Url, UrlError, is_url, read_url


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine, by its absolute path with links resolved."""

    path: Path

    @property
    def shown(self) -> str:
        """As it stands in keys, names and sentences."""
        return printable(self.path)

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.path.name

    def exists(self) -> bool:
        """Whether there is a regular file."""
        return self.path.is_file()

    def image(self) -> bytes:
        """Its bytes; raises UnreadableImageError."""
        return read_file(self.path)

    def stream(self) -> BinaryIO:
        """For reading forward; raises SourceError."""
        try:
            if not self.path.is_file():  # opening a FIFO would wait for ever
                raise SourceError(f"{self.shown} does not exist or is no file.")
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.shown} cannot be opened: {error.strerror}.") from error

    def seekable(self) -> BinaryIO:
        """For reading any part; raises SourceError."""
        return self.stream()


@dataclass(frozen=True)
class RemoteFile:
    """An object behind a URL."""

    url: Url

    @property
    def shown(self) -> str:
        """As it stands in keys, names and sentences: without user name, password and query."""
        return self.url.shown

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.url.path.rpartition("/")[2]

    def exists(self) -> bool:
        """Whether there is an object; raises SourceError where that cannot be known."""
        try:
            return remote.exists(self.url)
        except remote.Unreachable as error:
            raise SourceError(f"{self.shown} {error}.") from None

    def image(self) -> bytes:
        """Its bytes; raises UnreadableImageError."""
        try:
            data = remote.read_object(self.url, MOST_BYTES)
        except remote.Unreachable as error:
            raise UnreadableImageError(f"{error}.") from None
        if len(data) > MOST_BYTES:
            raise UnreadableImageError(f"has more than the {MOST_BYTES:,} bytes that are read.")
        return data

    def stream(self) -> BinaryIO:
        """For reading forward; raises SourceError."""
        try:
            return remote.open_stream(self.url)
        except remote.Unreachable as error:
            raise SourceError(f"{self.shown} {error}.") from None

    def seekable(self) -> BinaryIO:
        """For reading any part; raises SourceError."""
        try:
            return remote.open_seekable(self.url)
        except remote.Unreachable as error:
            raise SourceError(f"{self.shown} {error}.") from None


Place = LocalFile | RemoteFile


def place_of(text: str) -> Place:
    """The place a user named; raises SourceError where it is no path and no URL that is opened."""
    if is_url(text):
        try:
            return RemoteFile(read_url(text))
        except UrlError as error:
            raise SourceError(str(error)) from None
    path = Path(text).expanduser()
    try:
        return LocalFile(path.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL byte
        raise SourceError(f"{printable(os.fspath(path))!r} is no path: {error}.") from error
