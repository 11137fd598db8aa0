"""Writing the gallery's database: the one process that holds the lock, one transaction per batch."""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from indexer.errors import GalleryError, GalleryFull
from indexer.items import EmbeddedItem, GalleryItem, Rejected
from indexer.local.database import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    connect_writer,
    full_disk,
    sentences,
    sync_folder,
    transaction,
)
from indexer.local.generations import FOLDER, WrittenFile
from indexer.local.lock import WriterLock
from indexer.local.store import DATABASE, Identity, found_something
from indexer.texts import storable
from indexer.vectors import KINDS

_OWN_NAMES = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "writer.lock", FOLDER}
_NORM_TOLERANCE = 1e-2


class Writer:
    """Holds the lock from the start to `close`. `create` makes the gallery where there is none."""

    def __init__(self, folder: Path, create: Identity | None = None) -> None:
        self.path = folder / DATABASE
        if create is None:
            found_something(folder)
        else:
            _prepare(folder)
        self._lock = WriterLock(folder)
        try:
            self._connection = connect_writer(self.path)
        except BaseException:
            self._lock.release()
            raise
        try:
            if create is not None and self._empty():
                self._create(folder, create)
        except BaseException:
            self.close()
            raise

    def _empty(self) -> bool:
        with sentences(self.path):
            return not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def _create(self, folder: Path, identity: Identity) -> None:
        if any((folder / FOLDER).glob("*.index")):
            return  # the database was lost: opening the store says so
        facts = (identity.encoder, identity.fingerprint, identity.dimension, identity.kind, _now())
        with transaction(self._connection, self.path) as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO gallery VALUES (1, ?, ?, ?, ?, ?)", facts)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        sync_folder(folder)
        sync_folder(folder.parent)

    def add(self, dimension: int, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected]) -> int:
        """Store one batch durably; returns how many items were new.

        An item is no longer rejected; a key rejected again keeps its place with the latest reason.
        """
        rows = [(_item_row(entry.item), _stored(entry, dimension), entry.thumbnail) for entry in items]
        with transaction(self._connection, self.path) as connection:
            new = sum(_insert(connection, *row) for row in rows)
            connection.executemany("DELETE FROM rejected WHERE key = ?", [row[:1] for row, *_ in rows])
            connection.executemany(
                "INSERT INTO rejected (key, uri, source, reason) VALUES (?, ?, ?, ?) "
                "ON CONFLICT(key) DO UPDATE SET uri = excluded.uri, source = excluded.source, "
                "reason = excluded.reason",
                [tuple(map(storable, (bad.key, bad.uri, bad.source, bad.reason))) for bad in rejected],
            )
        return new

    def remove(self, keys: Sequence[str]) -> int:
        """Remove the items with these keys for good; returns how many there were."""
        removed = 0
        with transaction(self._connection, self.path) as connection:
            for key in map(storable, keys):
                for (id,) in connection.execute("SELECT id FROM item WHERE key = ?", [key]).fetchall():
                    facts = (id, key, _now())
                    connection.execute(
                        "INSERT INTO removal (item_id, key, removed_at) VALUES (?, ?, ?)", facts
                    )
                    connection.execute("DELETE FROM item WHERE id = ?", [id])
                    connection.execute("DELETE FROM vector WHERE item_id = ?", [id])
                    connection.execute("DELETE FROM thumbnail WHERE item_id = ?", [id])
                    removed += 1
        with sentences(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed

    def record_generation(self, file: WrittenFile, rows: int, built_to: int, kind: str) -> None:
        """Enter an index file that is on the disk already."""
        facts = (file.name, file.sha256, file.size, rows, built_to, kind, KINDS[kind].library, _now())
        columns = "file, sha256, bytes, row_count, built_to, index_kind, library, created_at"
        with transaction(self._connection, self.path) as connection:
            connection.execute(f"INSERT INTO generation ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", facts)

    def forget_generations(self, ids: Sequence[int]) -> None:
        """Drop the rows of index files about to be deleted."""
        with transaction(self._connection, self.path) as connection:
            connection.executemany("DELETE FROM generation WHERE id = ?", [(id,) for id in ids])

    def close(self) -> None:
        """Close the database, then let the next writer in."""
        try:
            with sentences(self.path):
                self._connection.close()
        finally:
            self._lock.release()


def _prepare(folder: Path) -> None:
    """Make the folder; refuse one that holds other things than a gallery."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted({path.name for path in folder.iterdir()} - _OWN_NAMES)
    except OSError as error:
        if full_disk(error):
            raise GalleryFull(f"no room left on the disk for a gallery at {folder}: free some.") from error
        raise GalleryError(f"cannot make a gallery at {folder}: {error.strerror}.") from error
    if foreign and not (folder / DATABASE).exists():
        raise GalleryError(
            f"cannot make a gallery at {folder}: it holds other files ({foreign[0]}); "
            "name a new or empty folder."
        )


def _insert(
    connection: sqlite3.Connection, facts: tuple[str | None, ...], vector: bytes, jpeg: bytes
) -> bool:
    columns = "key, uri, source, box, camera, seen_at, track, attributes"
    inserted = connection.execute(
        f"INSERT INTO item ({columns}) SELECT ?, ?, ?, ?, ?, ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM removal WHERE key = ?) ON CONFLICT(key) DO NOTHING",
        (*facts, facts[0]),
    )
    if inserted.rowcount != 1:
        return False
    id = inserted.lastrowid
    connection.execute("INSERT INTO vector VALUES (?, ?, ?)", (id, vector, zlib.crc32(vector)))
    if jpeg:
        connection.execute("INSERT INTO thumbnail VALUES (?, ?)", (id, jpeg))
    return True


def _item_row(item: GalleryItem) -> tuple[str | None, ...]:
    corners = item.box and [item.box.left, item.box.top, item.box.right, item.box.bottom]
    texts = (item.key, item.uri, item.source)
    optional = (item.camera, item.seen_at, item.track)
    return (
        *map(storable, texts),
        json.dumps(corners) if corners else None,
        *(None if text is None else storable(text) for text in optional),
        storable(json.dumps(dict(item.attributes), allow_nan=False, ensure_ascii=False)),
    )


def _stored(entry: EmbeddedItem, dimension: int) -> bytes:
    """The vector as float16 bytes; ValueError unless it is a unit vector of the gallery's dimension."""
    if entry.vector.shape != (dimension,):
        raise ValueError(f"{entry.item.key}: a vector of shape {entry.vector.shape}, not ({dimension},)")
    if not abs(float(np.linalg.norm(entry.vector)) - 1) < _NORM_TOLERANCE:
        raise ValueError(f"{entry.item.key}: a vector that is not of unit length")
    return entry.vector.astype("<f2").tobytes()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
