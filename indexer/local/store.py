"""Reading the gallery's database: facts, vectors, counts. Every thread gets its own connection."""

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.errors import FingerprintMismatch, GalleryError
from indexer.items import Rejected
from indexer.local.checksums import SEALED, fits, own_row
from indexer.local.database import connect_reader, damaged, damaged_item, in_chunks, marks, reading, sentences
from indexer.local.folder import DATABASE, found_something, has_index_files, missing
from indexer.local.ledger import removed_keys
from indexer.local.schema import APPLICATION_ID, SCHEMA_VERSION
from indexer.texts import storable
from indexer.vectors.vector_index import Ids, StoredVectors

ROWS_PER_READ = 4096
_COUNTED = frozenset({"item", "vector", "thumbnail", "rejected", "removal", "candidate_vector"})


@dataclass(frozen=True)
class Identity:
    """Whose vectors a gallery holds, and the kind of its index."""

    encoder: str
    fingerprint: str
    dimension: int
    kind: str


@dataclass(frozen=True)
class Moment:
    """How far the gallery has come, all of one moment.

    epoch: rises when ids may stand for other rows or vectors; last_id: the highest stored; changes: how often
    facts have changed; last_removal: the highest id in the ledger.
    """

    epoch: int
    last_id: int
    changes: int
    last_removal: int


class Store:
    """The database of a gallery in a folder, or in another `file`, to read. Opening checks that it is one.

    It shows the vectors of one encoder for all its life: the living one, or (`candidate`) the other.
    """

    def __init__(self, folder: Path, candidate: bool = False, file: Path | None = None) -> None:
        self._encoder, self._vectors = (
            ("candidate", "candidate_vector") if candidate else ("gallery", "vector")
        )
        self.path = file or folder / DATABASE
        self._threads = threading.local()
        self._connections: list[tuple[threading.Thread | None, sqlite3.Connection]] = []
        self._guard = threading.Lock()
        if file is None:
            found_something(folder)
        try:
            self._check(folder)
            self.salt: bytes = self._of_itself()["salt"]
            self.identity = self._identity()
        except BaseException:
            self.close()
            raise

    def _check(self, folder: Path) -> None:
        (application,) = self.row("PRAGMA application_id")
        if not application and not self.row("SELECT count(*) FROM sqlite_master")[0]:
            raise damaged(self.path, "it is empty") if has_index_files(folder) else missing(folder)
        if application != APPLICATION_ID:
            raise GalleryError(f"{self.path} is no database of a cskt gallery: name another folder.")
        (version,) = self.row("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path} was made by a newer cskt (format {version}): install that version."
            )
        if version < SCHEMA_VERSION and self.path.name != DATABASE:
            raise GalleryError(
                f"{self.path} is of an older cskt (format {version}): copy it as {DATABASE} into a new "
                "folder and bring that up to date once with `cskt gallery compact`. Who was removed from "
                "the gallery since then is in it: remove them again."
            )
        if version < SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path} was made by an older cskt (format {version}): bring it up to date once with "
                f"`cskt gallery compact --gallery {folder}`."
            )

    def _identity(self) -> Identity:
        facts = self.checked_rows(self._encoder)
        if not facts:
            raise GalleryError(f"the gallery at {self.path.parent} has the vectors of one encoder only.")
        encoder, fingerprint, dimension, *_ = facts[0]
        return Identity(encoder, fingerprint, dimension, self._of_itself()["index_kind"])

    def _of_itself(self) -> dict[str, Any]:
        with sentences(self.path):
            return own_row(self.connection())

    def check_encoder(self) -> None:
        """FingerprintMismatch if another encoder has taken over since the gallery was opened."""
        identity = self._identity()
        if identity.fingerprint != self.identity.fingerprint:
            raise FingerprintMismatch(
                f"the gallery has moved on to the encoder {identity.encoder} ({identity.fingerprint[:12]}): "
                "open it again, with that encoder."
            )

    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        known: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if known is None:
            known = self._threads.connection = self.new_connection(threading.current_thread())
        return known

    def new_connection(self, owner: threading.Thread | None = None) -> sqlite3.Connection:
        """A further connection, closed with the store, or by another thread when its `owner` has ended."""
        connection = connect_reader(self.path)
        with self._guard:
            ended = [entry for entry in self._connections if entry[0] is not None and not entry[0].is_alive()]
            for entry in ended:
                entry[1].close()
                self._connections.remove(entry)
            self._connections.append((owner, connection))
        return connection

    def close(self) -> None:
        """Close every thread's connection."""
        with self._guard:
            for _, connection in self._connections:
                connection.close()
            self._connections.clear()

    def one_moment(self) -> AbstractContextManager[None]:
        """What this thread reads inside shows one moment of the gallery."""
        return reading(self.connection(), self.path)

    def rows(self, query: str, values: Iterable[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        """What a query answers."""
        with sentences(self.path):
            return self.connection().execute(query, tuple(values)).fetchall()

    def row(self, query: str, values: Iterable[object] = ()) -> tuple:  # type: ignore[type-arg]
        """The one row that a query answers; GalleryCorrupt if there is none."""
        rows = self.rows(query, values)
        if not rows:
            raise damaged(self.path, "a row that must be there is missing")
        return rows[0]

    def checked_rows(self, table: str, behind: str = "", values: Sequence[object] = ()) -> list[Any]:
        """Rows of a table (see SEALED), each with its checksum; GalleryCorrupt if one does not fit it.

        `behind`: what stands behind the table in the query.
        """
        rows = self.rows(f"SELECT {SEALED[table]}, crc FROM {table} {behind}", values)
        for row in rows:
            if not fits(row):
                raise damaged(self.path, f"an entry of its table {table} does not fit its checksum")
        return rows

    def moment(self) -> Moment:
        """How far the gallery has come."""
        with self.one_moment():
            own = self._of_itself()
            (last_id,) = self.row(f"SELECT coalesce(max(item_id), 0) FROM {self._vectors}")
            (last_removal,) = self.row("SELECT coalesce(max(id), 0) FROM removal")
            (last_item,) = self.row("SELECT coalesce(max(id), 0) FROM item")
        if self._vectors == "vector" and last_id != last_item:  # else fresh items would be passed over
            raise damaged(self.path, f"the last item is {last_item}, the last vector that of {last_id}")
        return Moment(own["epoch"], last_id, own["changes"], last_removal)

    def count(self, table: str) -> int:
        """Rows of a table."""
        if table not in _COUNTED:
            raise ValueError(f"no such table: {table}")
        return int(self.row(f"SELECT count(*) FROM {table}")[0])

    def census(self) -> list[tuple[str, str | None, int, str | None, str | None]]:
        """For each source and camera: how many items, seen first and last when. Reads every item."""
        counted = "count(*), min(seen_at), max(seen_at)"
        return self.rows(f"SELECT source, camera, {counted} FROM item GROUP BY 1, 2 ORDER BY 1, 2")

    def passages(self) -> int:
        """Tracks, and items without one. Reads every item."""
        tracks = "SELECT DISTINCT source, camera, track FROM item WHERE track IS NOT NULL"
        alone = "SELECT count(*) FROM item WHERE track IS NULL"
        return int(self.row(f"SELECT (SELECT count(*) FROM ({tracks})) + ({alone})")[0])

    def newest(self) -> str | None:
        """When the last item was added."""
        (moment,) = self.row("SELECT max(added_at) FROM item")
        return moment if moment is None else str(moment)

    def count_within(self, after: int, up_to: int) -> int:
        """Items with after < id <= up_to."""
        return int(self.row("SELECT count(*) FROM item WHERE id > ? AND id <= ?", [after, up_to])[0])

    def has_rows(self, after: int, up_to: int) -> bool:
        """Whether any vector has after < id <= up_to."""
        query = f"SELECT EXISTS (SELECT 1 FROM {self._vectors} WHERE item_id > ? AND item_id <= ?)"
        return bool(self.row(query, [after, up_to])[0])

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored or were removed; a rejected one may be mended by now."""
        asked = {storable(key): key for key in keys}
        found: set[str] = set()
        for chunk in in_chunks(asked):
            query = f"SELECT key FROM item WHERE key IN ({marks(chunk)})"
            found.update(self._asked(asked, key) for (key,) in self.rows(query, chunk))
        return found | removed_keys(self, keys)

    def _asked(self, asked: dict[str, str], key: str) -> str:
        if key not in asked:
            raise damaged(self.path, "it finds another key than it was asked for")
        return asked[key]

    def ids_of(self, keys: Sequence[str]) -> list[int]:
        """The ids of the items with these keys."""
        found: list[int] = []
        for chunk in in_chunks(map(storable, keys)):
            query = f"SELECT id FROM item WHERE key IN ({marks(chunk)})"
            found += [id for (id,) in self.rows(query, chunk)]
        return found

    def ids(self) -> Ids:
        """The ids of all items, ascending."""
        return np.array([id for (id,) in self.rows("SELECT id FROM item ORDER BY id")], np.int64)

    def vectors(
        self, after: int, up_to: int, limit: int | None = None
    ) -> Iterator[tuple[Ids, StoredVectors]]:
        """Stored vectors with after < id <= up_to (the first `limit` of them), some thousands at a time."""
        reach = "item_id > ? AND item_id <= ? ORDER BY item_id LIMIT ?"
        query = f"SELECT item_id, value, crc FROM {self._vectors} WHERE {reach}"
        left = limit if limit is not None else up_to - after
        while left > 0 and (rows := self.rows(query, [after, up_to, min(ROWS_PER_READ, left)])):
            ids = np.array([id for id, _, _ in rows], np.int64)
            if ids[0] <= after or (np.diff(ids) <= 0).any():  # SQLite reads them as they stand in its pages
                raise damaged(self.path, f"the vectors behind that of item {after} are out of order")
            yield ids, self._matrix(rows)
            after, left = rows[-1][0], left - len(rows)

    def vector(self, id: int) -> npt.NDArray[np.float32] | None:
        """The unit vector of one item (dimension,), or None."""
        for _, stored in self.vectors(id - 1, id):
            vector = stored[0].astype(np.float32)
            return np.asarray(vector / np.linalg.norm(vector), np.float32)
        return None

    def _matrix(self, rows: list[tuple[int, bytes, int]]) -> StoredVectors:
        size = 2 * self.identity.dimension
        for id, value, crc in rows:
            if not isinstance(value, bytes) or len(value) != size or zlib.crc32(value) != crc:
                raise damaged_item(self.path, id, f"the vector of item {id} does not fit its checksum")
        stored: npt.NDArray[np.float16] = np.frombuffer(b"".join(value for _, value, _ in rows), "<f2")
        return stored.reshape(len(rows), self.identity.dimension)

    def rejected(self, limit: int) -> list[Rejected]:
        """The most recently rejected first."""
        rows = self.checked_rows("rejected", "ORDER BY id DESC LIMIT ?", [limit])
        return [Rejected(*row[:4]) for row in rows]

    def removed(self, after_removal: int = 0) -> Ids:
        """The ids of the items removed after this entry of the ledger, ascending."""
        rows = self.checked_rows("removal", "WHERE id > ?", [after_removal])
        return np.array(sorted(row[0] for row in rows), np.int64)

    def integrity(self) -> list[str]:
        """What SQLite's own check of every page finds."""
        return [text for (text,) in self.rows("PRAGMA integrity_check(20)") if text != "ok"]

    def unpaired(self) -> tuple[int, int]:
        """Items without a vector, and vectors without an item."""
        bare = f"SELECT count(*) FROM item WHERE id NOT IN (SELECT item_id FROM {self._vectors})"
        lost = f"SELECT count(*) FROM {self._vectors} WHERE item_id NOT IN (SELECT id FROM item)"
        return int(self.row(bare)[0]), int(self.row(lost)[0])

    def checksums(self, after: int, count: int) -> list[tuple[int, bytes, int]]:
        """The next `count` rows (id, vector bytes, recorded crc) behind an id."""
        query = f"SELECT item_id, value, crc FROM {self._vectors} WHERE item_id > ? ORDER BY item_id LIMIT ?"
        return self.rows(query, [after, count])
