"""Rows that leave the database for good, and what the ledger keeps of them: a hash of each key."""

import logging
import sqlite3
from collections.abc import Sequence

from indexer.local import schema
from indexer.local.checksums import ITEM_COLUMNS, fits, own_row, sealed, torn_texts
from indexer.local.database import in_chunks, marks
from indexer.local.ledger import key_hash
from indexer.texts import storable

log = logging.getLogger(__name__)

TABLES_OF_ITEMS = ("vector", "thumbnail", "candidate_vector")

ENTER_REMOVAL = "INSERT INTO removal (item_id, key_hash, removed_at, crc, erased) VALUES (?, ?, ?, ?, ?)"


def removal(id: int, digest: bytes, at: str, erased: int) -> tuple[object, ...]:
    """An entry of the ledger, for ENTER_REMOVAL."""
    return (*sealed(id, digest, at), erased)


def remove(connection: sqlite3.Connection, ids: Sequence[int], erase: bool) -> int:
    """Remove the items with these ids for good; returns how many there were.

    What was rejected at the same places is forgotten too. `erase` marks them, and all that were removed
    before, as leaving traces until `Writer.end_erasing`. One whose facts are damaged goes too.
    """
    removed, moment = 0, schema.now()
    salt = own_row(connection)["salt"]
    forget_rejected_beside(connection, ids)
    query = f"SELECT {ITEM_COLUMNS}, crc FROM item WHERE id = ?"
    with torn_texts(connection):
        for id in ids:
            for row in connection.execute(query, [id]).fetchall():
                if not fits(row):
                    log.warning(
                        "the facts of item %d, which is removed, are damaged: if its key is, the ledger does "
                        "not know the true one, and its source is not to be indexed again.",
                        id,
                    )
                entry = removal(id, key_hash(salt, str(row[1])), moment, schema.REMOVED)
                connection.execute(ENTER_REMOVAL, entry)
                connection.execute("DELETE FROM item WHERE id = ?", [id])
                for table in TABLES_OF_ITEMS:
                    connection.execute(f"DELETE FROM {table} WHERE item_id = ?", [id])
                removed += 1
    if erase:
        connection.execute(
            "UPDATE removal SET erased = ? WHERE erased = ?", [schema.TO_ERASE, schema.REMOVED]
        )
    return removed


def remove_rejected(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Remove for good, to be erased, those of the keys that were only rejected."""
    salt = own_row(connection)["salt"]
    for key in map(storable, keys):
        if connection.execute(
            "DELETE FROM rejected WHERE key = ? AND key NOT IN (SELECT key FROM item)", [key]
        ).rowcount:
            connection.execute(
                f"{ENTER_REMOVAL} ON CONFLICT (key_hash) DO UPDATE SET erased = excluded.erased",
                removal(schema.NO_ITEM, key_hash(salt, key), schema.now(), schema.TO_ERASE),
            )


def forget_rejected_beside(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Drop what was rejected under the keys or at the places of these items."""
    for chunk in in_chunks(ids):
        items = f"FROM item WHERE id IN ({marks(chunk)})"
        connection.execute(
            f"DELETE FROM rejected WHERE key IN (SELECT key {items}) OR uri IN (SELECT uri {items})",
            [*chunk, *chunk],
        )
