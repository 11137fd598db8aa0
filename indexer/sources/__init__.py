"""Where images come from. A source is named `scheme:place`; a bare path is recognised by what lies there.

To add one: write `indexer/sources/<name>.py` with a class like FolderSource and register it in SCHEMES.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.sources.folder import FolderSource
from indexer.sources.manifest import MANIFEST_SUFFIXES, ManifestSource
from indexer.sources.video import VIDEO_SUFFIXES, VideoSource


class GallerySource(Protocol):
    """Images in a stable order with stable keys; an item that cannot be read is yielded as Rejected."""

    @property
    def name(self) -> str:
        """`scheme:absolute place`; stored with each item as its source."""
        ...

    @property
    def total(self) -> int | None:
        """How many entries will come, where that is known beforehand."""
        ...

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        """A fresh pass over everything."""
        ...


SCHEMES: dict[str, Callable[[str], GallerySource]] = {
    "folder": FolderSource,
    "manifest": ManifestSource,
    "video": VideoSource,
}


def open_source(uri: str) -> GallerySource:
    """The source a user named. Raises SourceError where there is nothing that can be read."""
    scheme, colon, place = uri.partition(":")
    if colon and scheme in SCHEMES:
        if not place:
            raise SourceError(f"'{uri}' names no place; write for example {scheme}:path.")
        return SCHEMES[scheme](place)
    if colon and not Path(uri).exists() and scheme.isalnum() and len(scheme) > 1:
        known = ", ".join(f"{name}:" for name in SCHEMES)
        raise SourceError(f"'{uri}' has the unknown scheme {scheme}:; known are {known} and plain paths.")
    suffix = Path(uri.partition("?")[0] if not Path(uri).exists() else uri).suffix.lower()
    if suffix in MANIFEST_SUFFIXES:
        return ManifestSource(uri)
    if suffix in VIDEO_SUFFIXES and not Path(uri).is_dir():
        return VideoSource(uri)
    return FolderSource(uri)
