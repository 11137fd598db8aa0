"""Reading the gallery's database: facts, vectors, counts. Every thread gets its own connection."""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import GalleryError, GalleryMissing
from indexer.items import Box, Filter, GalleryItem, Rejected
from indexer.local.database import APPLICATION_ID, SCHEMA_VERSION, connect_reader, damaged, sentences
from indexer.local.filters import where_clause
from indexer.local.generations import FOLDER, Generation, WrittenFile
from indexer.texts import storable
from indexer.vectors.vector_index import Ids, StoredVectors

DATABASE = "gallery.db"
ROWS_PER_READ = 4096
_KEYS_PER_QUERY = 500
_ITEM_COLUMNS = "id, key, uri, source, box, camera, seen_at, track, attributes"
_COUNTED = frozenset({"item", "vector", "thumbnail", "rejected", "removal", "generation"})


@dataclass(frozen=True)
class Identity:
    """Whose vectors a gallery holds, and the kind of its index."""

    encoder: str
    fingerprint: str
    dimension: int
    kind: str


class Store:
    """The database of the gallery in `folder`, read only. Opening checks that it is one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATABASE
        self._threads = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        found_something(folder)
        try:
            self.identity = self._identify(folder)
        except BaseException:
            self.close()
            raise

    def _identify(self, folder: Path) -> Identity:
        (application,) = self._one("PRAGMA application_id")
        if not application and not self._one("SELECT count(*) FROM sqlite_master")[0]:
            raise damaged(self.path, "it is empty") if (folder / FOLDER).exists() else missing(folder)
        if application != APPLICATION_ID:
            raise GalleryError(f"{self.path} is no database of a cskt gallery: name another folder.")
        (version,) = self._one("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path} was made by a newer cskt (format {version}): install that version."
            )
        row = self._one("SELECT encoder, fingerprint, dimension, index_kind FROM gallery")
        return Identity(*row)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        known: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if known is None:
            known = self._threads.connection = self.new_connection()
        return known

    def new_connection(self) -> sqlite3.Connection:
        """A further connection, closed with the store."""
        connection = connect_reader(self.path)
        with self._guard:
            self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _all(self, query: str, values: Iterable[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with sentences(self.path):
            return self.connection().execute(query, tuple(values)).fetchall()

    def _one(self, query: str, values: Iterable[object] = ()) -> tuple:  # type: ignore[type-arg]
        rows = self._all(query, values)
        if not rows:
            raise damaged(self.path, "a row that must be there is missing")
        return rows[0]

    def count(self, table: str, up_to: int | None = None) -> int:
        """Rows of a table; of `vector`, those whose id is at most `up_to`."""
        if table not in _COUNTED:
            raise ValueError(f"no such table: {table}")
        if up_to is None:
            return int(self._one(f"SELECT count(*) FROM {table}")[0])
        return int(self._one("SELECT count(*) FROM vector WHERE item_id <= ?", [up_to])[0])

    def count_by(self, column: str) -> dict[str, int]:
        """Items by `source` or by `camera` (those that have one), in the order of the names."""
        if column not in ("source", "camera"):
            raise ValueError(f"no counts by {column}")
        query = f"SELECT {column}, count(*) FROM item WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
        return dict(self._all(query))

    def seen_range(self) -> tuple[str | None, str | None]:
        """The earliest and the latest time of an item."""
        first, last = self._one("SELECT min(seen_at), max(seen_at) FROM item")
        return first, last

    def last_id(self) -> int:
        """The highest id of a stored vector; 0 without any."""
        return int(self._one("SELECT coalesce(max(item_id), 0) FROM vector")[0])

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored or were removed; a rejected one may be mended by now."""
        asked = {storable(key): key for key in keys}
        found: set[str] = set()
        for chunk in _chunks(asked, _KEYS_PER_QUERY):
            marks = ", ".join("?" * len(chunk))
            tables = (f"SELECT key FROM {table} WHERE key IN ({marks})" for table in ("item", "removal"))
            found.update(asked[key] for (key,) in self._all(" UNION ".join(tables), chunk * 2))
        return found

    def items(self, ids: Iterable[int]) -> dict[int, GalleryItem]:
        """The facts of those of the rows that exist."""
        found = {}
        for chunk in _chunks(dict.fromkeys(ids), _KEYS_PER_QUERY):
            marks = ", ".join("?" * len(chunk))
            for row in self._all(f"SELECT {_ITEM_COLUMNS} FROM item WHERE id IN ({marks})", chunk):
                found[row[0]] = self._item(row)
        return found

    def _item(self, row: tuple) -> GalleryItem:  # type: ignore[type-arg]
        id, key, uri, source, box, camera, seen_at, track, attributes = row
        try:
            corners = Box(*json.loads(box)) if box else None
            return GalleryItem(key, uri, source, corners, camera, seen_at, track, json.loads(attributes))
        except (ValueError, TypeError) as error:
            raise damaged(self.path, f"the facts of item {id} cannot be read") from error

    def allowed(self, where: Filter) -> Ids:
        """The ids of the items the filter lets through, ascending."""
        condition, values = where_clause(where)
        rows = self._all(f"SELECT id FROM item WHERE {condition} ORDER BY id", values)
        return np.fromiter((id for (id,) in rows), np.int64, len(rows))

    def vectors(self, after: int, up_to: int) -> Iterator[tuple[Ids, StoredVectors]]:
        """All stored vectors with after < id <= up_to, ascending, some thousands at a time."""
        query = (
            "SELECT item_id, value, crc FROM vector WHERE item_id > ? AND item_id <= ? "
            "ORDER BY item_id LIMIT ?"
        )
        while rows := self._all(query, [after, up_to, ROWS_PER_READ]):
            ids = np.array([id for id, _, _ in rows], np.int64)
            yield ids, self._matrix(rows)
            after = int(ids[-1])

    def _matrix(self, rows: list[tuple[int, bytes, int]]) -> StoredVectors:
        size = 2 * self.identity.dimension
        for id, value, crc in rows:
            if not isinstance(value, bytes) or len(value) != size or zlib.crc32(value) != crc:
                raise damaged(self.path, f"the vector of item {id} does not fit its checksum")
        stored: npt.NDArray[np.float16] = np.frombuffer(b"".join(value for _, value, _ in rows), "<f2")
        return stored.reshape(len(rows), self.identity.dimension)

    def thumbnail(self, id: int) -> bytes | None:
        """The stored JPEG of one item."""
        rows = self._all("SELECT jpeg FROM thumbnail WHERE item_id = ?", [id])
        return rows[0][0] if rows else None

    def rejected(self, limit: int) -> list[Rejected]:
        """The most recently rejected first."""
        query = "SELECT key, uri, source, reason FROM rejected ORDER BY id DESC LIMIT ?"
        return [Rejected(*row) for row in self._all(query, [limit])]

    def removed(self) -> Ids:
        """The ids of removed items, ascending."""
        return np.array([id for (id,) in self._all("SELECT item_id FROM removal ORDER BY 1")], np.int64)

    def generations(self) -> list[Generation]:
        """The recorded index files, newest first."""
        query = (
            "SELECT id, file, sha256, bytes, row_count, built_to, index_kind FROM generation ORDER BY id DESC"
        )
        return [
            Generation(id, WrittenFile(file, digest, size), rows, built_to, kind)
            for id, file, digest, size, rows, built_to, kind in self._all(query)
        ]

    def integrity(self) -> list[str]:
        """What SQLite's own check of every page finds."""
        return [text for (text,) in self._all("PRAGMA integrity_check(20)") if text != "ok"]

    def unpaired(self) -> tuple[int, int]:
        """Items without a vector, and vectors without an item."""
        bare = "SELECT count(*) FROM item WHERE id NOT IN (SELECT item_id FROM vector)"
        lost = "SELECT count(*) FROM vector WHERE item_id NOT IN (SELECT id FROM item)"
        return int(self._one(bare)[0]), int(self._one(lost)[0])

    def checksums(self, after: int, count: int) -> list[tuple[int, bytes, int]]:
        """The next `count` rows (id, vector bytes, recorded crc) behind an id."""
        query = "SELECT item_id, value, crc FROM vector WHERE item_id > ? ORDER BY item_id LIMIT ?"
        return self._all(query, [after, count])


def found_something(folder: Path) -> None:
    """GalleryMissing or GalleryCorrupt unless the folder holds a database file."""
    if not (folder / DATABASE).is_file():
        if any((folder / FOLDER).glob("*.index")):
            raise damaged(folder / DATABASE, "it is gone, its index files are there")
        raise missing(folder)


def missing(folder: Path) -> GalleryMissing:
    """The error for a folder that holds no gallery."""
    return GalleryMissing(
        f"there is no gallery at {folder}: make one with `cskt index SOURCE --gallery {folder}`."
    )


def _chunks(values: Iterable[object], size: int) -> Iterator[list]:  # type: ignore[type-arg]
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
