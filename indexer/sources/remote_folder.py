"""A folder of images behind a URL (`s3://bucket/people`), with everything below it.

A file's key is its URL without user name, password and query. A web server's folder is what its index page
links to below its own address.
"""

from collections.abc import Iterator

from indexer.decode import UnreadableImageError
from indexer.errors import SourceError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.sources import remote
from indexer.sources.ahead import read_ahead
from indexer.sources.folder import IMAGE_SUFFIXES
from indexer.sources.places import RemoteFile
from indexer.sources.scope import EVERYTHING, Scope
from indexer.sources.urls import Url

MOST_DEPTH = 40
"""A server that invents folders without end is followed so far."""


class RemoteFolderSource:
    """Every .jpg, .jpeg, .png and .webp below a URL, sorted folder by folder; hidden ones are left out.

    `total` is None, as counting would list everything twice. Raises SourceError when the folder cannot be
    listed or there is no image in it.
    """

    total: int | None = None

    def __init__(self, url: Url, scope: Scope = EVERYTHING) -> None:
        self._url, self._scope = url.at(url.path.rstrip("/")), scope
        self.name = f"folder:{self._url.shown}"
        try:
            remote.list_folder(self._url)
        except remote.Unreachable as error:
            raise SourceError(f"{self._url.shown} {error}.") from None
        if not any(isinstance(found, Url) for found in _walk(self._url, MOST_DEPTH)):
            suffixes = ", ".join(IMAGE_SUFFIXES)
            raise SourceError(f"{self._url.shown} holds no image; looked for {suffixes} there and below.")

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        return read_ahead(self._found(), self._read)

    def _found(self) -> Iterator[Url | Rejected]:
        for found in _walk(self._url, MOST_DEPTH):
            key = found.shown if isinstance(found, Url) else found[0].shown
            if self._scope.share.holds(key):
                yield found if isinstance(found, Url) else Rejected(key, key, self.name, found[1])

    def _read(self, url: Url) -> RawImage | Rejected:
        try:
            data = RemoteFile(url).image()
        except UnreadableImageError as error:
            return Rejected(url.shown, url.shown, self.name, str(error))
        return RawImage(GalleryItem(key=url.shown, uri=url.shown, source=self.name), data)


def _walk(folder: Url, depth: int) -> Iterator[Url | tuple[Url, str]]:
    """Image addresses below a folder; a folder that cannot be listed comes with the reason."""
    try:
        entries = remote.list_folder(folder)
    except remote.Unreachable as error:
        yield folder, f"the folder {error}."
        return
    for entry in entries:
        below = folder.at(f"{folder.path}/{entry.name}")
        if entry.name.startswith("."):
            continue
        if not entry.is_folder:
            if entry.name.lower().endswith(IMAGE_SUFFIXES):
                yield below
        elif depth > 1:
            yield from _walk(below, depth - 1)
        else:
            yield below, "the folder lies too deep and is not entered."
