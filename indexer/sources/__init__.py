"""Where images come from. A source is named `scheme:place`; a bare path or URL is recognised by how it ends.

To add one: write `indexer/sources/<name>.py` with a class like FolderSource and register it in SCHEMES.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.sources.folder import FolderSource
from indexer.sources.manifest import MANIFEST_SUFFIXES, ManifestSource
from indexer.sources.places import RemoteFile, place_of
from indexer.sources.remote_folder import RemoteFolderSource
from indexer.sources.scope import EVERYTHING, Scope
from indexer.sources.shard_list import SHARD_SUFFIXES
from indexer.sources.shards import ShardsSource
from indexer.sources.urls import is_url
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


def _open_folder(place: str, scope: Scope) -> GallerySource:
    found = place_of(place) if is_url(place) else None
    return (
        RemoteFolderSource(found.url, scope) if isinstance(found, RemoteFile) else FolderSource(place, scope)
    )


def _open_video(place: str, scope: Scope) -> GallerySource:
    if is_url(place):
        raise SourceError("videos are not read from URLs; copy the file to this machine and name it there.")
    return VideoSource(place, scope=scope)


SCHEMES: dict[str, Callable[[str, Scope], GallerySource]] = {
    "folder": _open_folder,
    "manifest": ManifestSource,
    "video": _open_video,
    "shards": ShardsSource,
}


def open_source(uri: str, scope: Scope = EVERYTHING) -> GallerySource:
    """The source a user named. Raises SourceError where there is nothing that can be read."""
    if not uri.strip():
        raise SourceError(
            "no source was named: give a folder (. for this one), a manifest, shards or a video."
        )
    scheme, colon, place = uri.partition(":")
    if colon and scheme in SCHEMES:
        if not place:
            raise SourceError(f"'{uri}' names no place; write for example {scheme}:path.")
        return SCHEMES[scheme](place, scope)
    if colon and not is_url(uri) and not Path(uri).exists() and scheme.isalnum() and len(scheme) > 1:
        known = ", ".join(f"{name}:" for name in SCHEMES)
        raise SourceError(f"'{uri}' has the unknown scheme {scheme}:; known are {known} and plain paths.")
    return SCHEMES[_recognised(uri)](uri, scope)


def _recognised(uri: str) -> str:
    """The scheme of an address without one, by how it ends and whether a folder lies there."""
    name = uri.partition("?")[0] if is_url(uri) or not Path(uri).exists() else uri
    if name.lower().endswith(MANIFEST_SUFFIXES):
        return "manifest"
    if name.lower().endswith(SHARD_SUFFIXES) and not Path(uri).is_dir():
        return "shards"
    if name.lower().endswith(VIDEO_SUFFIXES) and not Path(uri).is_dir():
        return "video"
    return "folder"
