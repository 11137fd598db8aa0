"""A list of images with what is known about them: CSV, JSON Lines or Parquet, here or behind a URL.

Columns: `path` (relative to the manifest) and any of `key`, `camera`, `seen_at`, `track`, `box`; each further
column becomes an attribute (`rows.py`). A Parquet file may hold the pictures themselves (`parquet.py`).
Without a `key` an image's key is its absolute path, with its box where it has one.

A manifest is not trusted with what this machine can reach. What it names is opened only
- at the manifest's own origin, if it came from a URL: the same protocol and host, port or bucket; paths are
  meant there, never on this machine;
- on this machine, if it lies here; and
- at origins that the user has allowed by name.
Any other address is rejected, so a list that came by mail makes this machine ask nobody for anything.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from indexer.decode import UnreadableImageError
from indexer.errors import SourceError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.sources.ahead import read_ahead
from indexer.sources.parquet import ParquetTable
from indexer.sources.places import LocalFile, Place, RemoteFile, place_of
from indexer.sources.rows import Row, RowError, item_of, text_of
from indexer.sources.scope import EVERYTHING, Scope
from indexer.sources.tables import TextTable
from indexer.sources.urls import UrlError, is_url, read_url

CSV_SUFFIXES = (".csv", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
MANIFEST_SUFFIXES = (*CSV_SUFFIXES, ".jsonl", ".ndjson", *PARQUET_SUFFIXES)


class ManifestSource:
    """The images a manifest names, in its order. A bad row is yielded as Rejected.

    Raises SourceError when the file cannot be read or has no `path` column.
    """

    def __init__(self, place: str, scope: Scope = EVERYTHING) -> None:
        self._place, self._scope = place_of(place), scope
        shown = self._place.shown if isinstance(self._place, RemoteFile) else place
        if not self._place.exists():
            raise SourceError(
                f"{shown} does not exist or is no file; name a manifest ({', '.join(MANIFEST_SUFFIXES)})."
            )
        suffix = PurePosixPath(self._place.name).suffix.lower()
        if suffix not in MANIFEST_SUFFIXES:
            raise SourceError(f"{shown} is no manifest; its name must end in {', '.join(MANIFEST_SUFFIXES)}.")
        self.name = f"manifest:{self._place.shown}"
        self._table: TextTable | ParquetTable = (
            ParquetTable(self._place.seekable, self._place.shown)
            if suffix in PARQUET_SUFFIXES
            else TextTable(self._place.stream, self._place.shown, suffix in CSV_SUFFIXES)
        )
        self.total: int | None = self._check(shown)

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        if isinstance(self._place, RemoteFile) or self._scope.origins:
            yield from read_ahead(self._entries(), self._read)
            return
        for entry in self._entries():
            yield entry if isinstance(entry, Rejected) else self._read(entry)

    def _read(self, entry: tuple[GalleryItem, bytes | Place]) -> RawImage | Rejected:
        item, data = entry
        try:
            return RawImage(item, data if isinstance(data, bytes) else data.image())
        except UnreadableImageError as error:
            return Rejected(item.key, item.uri, self.name, str(error))

    def _check(self, shown: str) -> int:
        """Count the rows and make sure of the path column, before anything is indexed."""
        columns, count = self._table.count()
        if "path" not in columns and self._table.picture_column is None:
            found = ", ".join(columns) or "none"
            raise SourceError(f"{shown} has no column named path; the columns found are: {found}.")
        if not count:
            raise SourceError(f"{shown} has no row; write one row per image.")
        return count if self._scope.share.count == 1 else sum(1 for _ in self._entries())

    def _entries(self) -> Iterator[tuple[GalleryItem, bytes | Place] | Rejected]:
        """What belongs to this run's share, before a picture is read."""
        for number, row in self._table.rows():
            where = f"{self._place.shown}#{number}"
            try:
                if isinstance(row, RowError):
                    raise row
                entry = self._entry(row, where)
            except RowError as error:
                if self._scope.share.holds(where):
                    yield Rejected(where, where, self.name, str(error))
                continue
            if self._scope.share.holds(entry[0].key):
                yield entry

    def _entry(self, row: Row, where: str) -> tuple[GalleryItem, bytes | Place]:
        """The item of one row, and its picture or where that lies; raises RowError."""
        picture = self._table.picture_column and row.get(self._table.picture_column)
        named = text_of(row, "path")
        facts = {name: value for name, value in row.items() if name != self._table.picture_column}
        if named is None:
            if not isinstance(picture, bytes):
                raise RowError("has no path.")
            return item_of(facts, where, self.name), picture
        place = self._beside(named)
        queried = isinstance(place, RemoteFile) and bool(place.url.query)
        item = item_of(facts, place.shown, self.name, needs_key=queried)
        if isinstance(picture, bytes):
            return item, picture
        self._check_origin(place)
        return item, place

    def _beside(self, named: str) -> Place:
        """What a path in the manifest means; raises RowError."""
        try:
            if is_url(named):
                return RemoteFile(read_url(named))
            if isinstance(self._place, RemoteFile):
                return RemoteFile(self._place.url.beside(named))
        except UrlError as error:
            raise RowError(f"column path: {error}") from error
        try:
            return LocalFile((self._place.path.parent / named).resolve())
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL byte
            raise RowError(f"column path: {named!r} is no path: {error}.") from error

    def _check_origin(self, place: Place) -> None:
        if isinstance(place, LocalFile):
            return
        own = self._place.url.origin if isinstance(self._place, RemoteFile) else None
        origin = place.url.origin
        if origin != own and origin not in self._scope.origins:
            raise RowError(
                f"column path: names {origin}, which a manifest may not open by itself; "
                f"if you trust it, add --allow-urls {origin}."
            )
