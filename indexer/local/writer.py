"""Writing the gallery's database: the one process that holds the lock, one transaction per batch."""

import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from indexer.errors import GalleryBusy
from indexer.items import AttributeValue, EmbeddedItem, Rejected
from indexer.local import schema
from indexer.local.checksums import ITEM_COLUMNS, change_gallery, fits, own_row, seal, sealed, torn_texts
from indexer.local.database import (
    connect_writer,
    damaged_item,
    impatient,
    in_chunks,
    marks,
    sentences,
    transaction,
)
from indexer.local.folder import DATABASE, found_something, has_index_files, make_durable, prepare_folder
from indexer.local.ledger import SALT_BYTES, key_hash
from indexer.local.lock import WriterLock
from indexer.local.removing import remove, remove_rejected
from indexer.local.replacement import replace_database, temporary_database
from indexer.local.rows import changed_facts, item_rows, stored_row, stored_vectors
from indexer.local.store import Identity
from indexer.texts import storable

_OLD_FOLDER = "generations"
_WAIT_FOR_READERS = 20.0


class Writer:
    """Holds the lock from the start to `close`. `create` makes the gallery where there is none."""

    def __init__(self, folder: Path, create: Identity | None = None) -> None:
        self.path = folder / DATABASE
        if create is None:
            found_something(folder)
        else:
            prepare_folder(folder)
        self._lock = WriterLock(folder)
        try:
            self._connection = connect_writer(self.path)
        except BaseException:
            self._lock.release()
            raise
        try:
            if create is not None and self._empty():
                self._create(folder, create)
            make_durable(folder)
            self._upgrade(folder)
        except BaseException:
            self.close()
            raise

    def _empty(self) -> bool:
        with sentences(self.path):
            return not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]

    def _create(self, folder: Path, identity: Identity) -> None:
        if has_index_files(folder):
            return  # the database was lost: opening the store says so
        columns = "id, encoder, fingerprint, dimension, index_kind, created_at, salt"
        facts = (identity.encoder, identity.fingerprint, identity.dimension, identity.kind)
        with self.transaction() as connection:
            schema.create(connection)
            connection.execute(
                f"INSERT INTO gallery ({columns}) VALUES (1, ?, ?, ?, ?, ?, ?)",
                (*facts, schema.now(), secrets.token_bytes(SALT_BYTES)),
            )
            seal(connection, "gallery")

    def _upgrade(self, folder: Path) -> None:
        """Bring an older gallery up to date; its index files are of no use any more.

        Whoever opens it ends the erasure of the removed keys, which it kept in clear.
        """
        with sentences(self.path):
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application != schema.APPLICATION_ID or version > schema.SCHEMA_VERSION:
            return
        if version < schema.SCHEMA_VERSION:
            with self.transaction() as connection:
                schema.upgrade(connection, version)
        for path in (folder / _OLD_FOLDER).glob("*"):
            path.unlink(missing_ok=True)
        if (folder / _OLD_FOLDER).is_dir():
            (folder / _OLD_FOLDER).rmdir()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All or nothing, durable when the block has ended."""
        return transaction(self._connection, self.path)

    def add(self, dimension: int, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected]) -> int:
        """Store one batch durably; returns how many items were new.

        An item is no longer rejected; a key rejected again keeps its place with the latest reason. What is
        stored or was removed is not rejected: a key that was erased does not come back in clear.
        """
        vectors = stored_vectors(items, dimension)
        moment = schema.now()
        given = item_rows([entry.item for entry in items], moment)
        with self.transaction() as connection:
            keys = [str(row[0]) for row in given]
            new = _new_places(connection, keys)
            id = _last_id(connection) + 1
            numbered = list(enumerate(new, id))
            jpegs = [(id, items[place].thumbnail) for id, place in numbered]
            rows = [stored_row(id, given[place], jpeg) for (id, jpeg), place in zip(jpegs, new, strict=True)]
            _insert(connection, "item", rows)
            _insert(connection, "vector", [(id, *vectors[place]) for id, place in numbered])
            _insert(connection, "thumbnail", [row for row in jpegs if row[1]])
            _forget_rejected(connection, keys)
            bad_rows = [tuple(map(storable, (bad.key, bad.uri, bad.source, bad.reason))) for bad in rejected]
            taken = _stored_or_removed(connection, [row[0] for row in bad_rows])
            connection.executemany(
                "INSERT INTO rejected (key, uri, source, reason, crc) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT(key) DO UPDATE SET uri = excluded.uri, source = excluded.source, "
                "reason = excluded.reason, crc = excluded.crc",
                [sealed(*row) for row in bad_rows if row[0] not in taken],
            )
        return len(new)

    def update(self, key: str, attributes: Mapping[str, AttributeValue | None]) -> bool:
        """Set attributes of one item, None takes one away; returns whether the item is there."""
        with self.transaction() as connection:
            row = self._facts(connection, storable(key))
            if row is None:
                return False
            change_gallery(connection, "changes = changes + 1")
            changes = own_row(connection)["changes"]
            connection.execute(
                "UPDATE item SET attributes = ?, changed = ?, crc = ? WHERE id = ?",
                changed_facts(row, attributes, changes),
            )
        return True

    def _facts(self, connection: sqlite3.Connection, key: str) -> tuple[Any, ...] | None:
        """The row of an item as it stands; GalleryCorrupt rather than a new checksum for damaged facts."""
        query = f"SELECT {ITEM_COLUMNS}, crc FROM item WHERE key = ?"
        with torn_texts(connection):
            row: tuple[Any, ...] | None = connection.execute(query, [key]).fetchone()
        if row is not None and not fits(row):
            raise damaged_item(self.path, row[0], f"the facts of item {row[0]} do not fit their checksum")
        return row

    def remove(self, ids: Sequence[int], erase: bool) -> int:
        """Remove the items with these ids for good (see removing.py); returns how many there were."""
        with self.transaction() as connection:
            return remove(connection, ids, erase)

    def remove_rejected(self, keys: Sequence[str]) -> None:
        """Remove for good, to be erased, those of the keys that were only rejected."""
        with self.transaction() as connection:
            remove_rejected(connection, keys)

    def empty_log(self, wait: float = _WAIT_FOR_READERS) -> None:
        """Move everything from the write-ahead log into the database, and leave the log empty.

        What was deleted is then overwritten wherever it stood. GalleryBusy if a reader holds on to an old
        state for longer than `wait` seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            with impatient(self._connection, self.path):
                busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            if time.monotonic() > deadline:
                raise GalleryBusy(
                    f"a reader of {self.path} holds on to an old state, so what was removed can still be "
                    "read in the log beside it: run the command again when it has finished."
                )
            time.sleep(0.05)

    def rewrite(self) -> None:
        """Write the whole database anew, of living rows only; the space of the others goes to the disk.

        `secure_delete` alone leaves copies of rows in the gaps of pages that were rearranged before these
        rows were deleted. (VACUUM would put its copy where the system keeps temporary files.)
        """
        with sentences(self.path), temporary_database(self.path.parent) as copy:
            self._connection.execute("VACUUM INTO ?", [str(copy)])
            replace_database(self.path, copy)

    def erasing(self) -> bool:
        """Whether rows were erased whose traces may not be gone yet."""
        with sentences(self.path):
            query = "SELECT EXISTS (SELECT 1 FROM removal WHERE erased = ?)"
            return bool(self._connection.execute(query, [schema.TO_ERASE]).fetchone()[0])

    def end_erasing(self) -> None:
        """Note that no trace is left."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE removal SET erased = ? WHERE erased = ?", [schema.ERASED, schema.TO_ERASE]
            )

    def close(self) -> None:
        """Close the database, then let the next writer in."""
        try:
            with sentences(self.path):
                self._connection.close()
        finally:
            self._lock.release()


_COLUMNS = {
    "item": f"{ITEM_COLUMNS}, crc, thumbnail_crc",
    "vector": "item_id, value, crc",
    "thumbnail": "item_id, jpeg",
}


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    columns = _COLUMNS[table]
    marks = ", ".join("?" * (columns.count(",") + 1))
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _last_id(connection: sqlite3.Connection) -> int:
    """The highest id ever given out."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'item'").fetchone()
    return row[0] if row else 0


def _stored_or_removed(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that may not be added."""
    taken: set[str] = set()
    for chunk in in_chunks(keys):
        taken.update(
            key for (key,) in connection.execute(f"SELECT key FROM item WHERE key IN ({marks(chunk)})", chunk)
        )
    if connection.execute("SELECT EXISTS (SELECT 1 FROM removal)").fetchone()[0]:
        salt = own_row(connection)["salt"]
        hashes = {key_hash(salt, key): key for key in keys}
        for digests in in_chunks(list(hashes)):
            query = f"SELECT key_hash FROM removal WHERE key_hash IN ({marks(digests)})"
            taken.update(hashes[digest] for (digest,) in connection.execute(query, digests))
    return taken


def _new_places(connection: sqlite3.Connection, keys: Sequence[str]) -> list[int]:
    """The places of the keys that may be added, each key once."""
    taken = _stored_or_removed(connection, keys)
    first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in taken}
    return sorted(first.values())


def _forget_rejected(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    if connection.execute("SELECT EXISTS (SELECT 1 FROM rejected)").fetchone()[0]:
        for chunk in in_chunks(keys):
            connection.execute(f"DELETE FROM rejected WHERE key IN ({marks(chunk)})", chunk)
