"""A folder of images, with everything below it.

A file's key is its absolute path with links resolved: indexing again adds nothing, from whatever directory
and by whatever link the folder is named, and two folders never collide. Moving a folder makes its images new
ones.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.decode import UnreadableImageError, printable, read_file
from indexer.errors import SourceError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.sources.scope import EVERYTHING, Scope

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class FolderSource:
    """Every .jpg, .jpeg, .png and .webp below a folder, sorted by path; hidden ones are left out.

    Links are followed, each folder is entered once. Raises SourceError when there is no folder or no image.
    """

    def __init__(self, place: str, scope: Scope = EVERYTHING) -> None:
        self._share = scope.share
        self._root = Path(place).expanduser()
        if not self._root.is_dir():
            what = "is a file, not a folder" if self._root.exists() else "does not exist"
            raise SourceError(f"{place} {what}; name a folder of images, a manifest or a video.")
        self._root = self._root.resolve()
        self.name = f"folder:{printable(self._root)}"
        first = next(_walk(str(self._root), entered=set()), None)
        if isinstance(first, Unlisted) and first.folder == printable(self._root):
            raise SourceError(f"{place} cannot be indexed: {first.reason}")
        if first is None:
            raise SourceError(
                f"{place} holds no image; looked for {', '.join(IMAGE_SUFFIXES)} there and below."
            )
        self.total: int | None = sum(1 for _ in self._paths())

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        for path in self._paths():
            if isinstance(path, Unlisted):
                yield Rejected(path.folder, path.folder, self.name, path.reason)
                continue
            key = printable(path)
            try:
                data = read_file(path)
            except UnreadableImageError as error:
                yield Rejected(key, key, self.name, str(error))
                continue
            yield RawImage(GalleryItem(key=key, uri=key, source=self.name), data)

    def _paths(self) -> "Iterator[str | Unlisted]":
        """What belongs to this run's share."""
        for path in _walk(str(self._root), entered=set()):
            if self._share.holds(path.folder if isinstance(path, Unlisted) else printable(path)):
                yield path


@dataclass(frozen=True)
class Unlisted:
    """A folder whose content cannot be seen, and why."""

    folder: str
    reason: str


def _walk(folder: str, entered: set[tuple[int, int]]) -> Iterator[str | Unlisted]:
    """Image paths below a folder, sorted by name; each real folder once, so loops of links end."""
    try:
        facts = Path(folder).stat()
        with os.scandir(folder) as scan:
            entries = sorted((e for e in scan if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        yield Unlisted(printable(folder), f"the folder cannot be listed: {error.strerror}.")
        return
    if (facts.st_dev, facts.st_ino) in entered:
        return
    entered.add((facts.st_dev, facts.st_ino))
    for entry in entries:
        path = _target(entry)
        if _is_folder(entry):
            yield from _walk(path, entered)
        elif entry.name.lower().endswith(IMAGE_SUFFIXES):
            yield path


def _target(entry: "os.DirEntry[str]") -> str:
    """The path of an entry, through its links where it has any and they lead somewhere."""
    try:
        return str(Path(entry.path).resolve(strict=True)) if entry.is_symlink() else entry.path
    except (OSError, RuntimeError):
        return entry.path


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
