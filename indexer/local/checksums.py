"""A checksum for each row, so that a bit that turns in a text is noticed as one in a vector is.

It is the crc32 of the row's values as `ascii` writes them, in the order of its columns: one text for one row,
which no version of Python writes in another way.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexer.local.database import damaged

ITEM_COLUMNS = "id, key, uri, source, box, camera, seen_at, track, attributes, added_at, changed"
"""What the checksum of an item's facts covers: all that is stored of it but vector and thumbnail."""

SEALED = {
    "gallery": "encoder, fingerprint, dimension, index_kind, created_at, salt, epoch, changes",
    "rejected": "key, uri, source, reason",
    "removal": "item_id, key_hash, removed_at",  # not how far its erasure has come: that is on its way
    "segment": "after, up_to, row_count, fingerprint, changed_to, removed_to, rows_file, rows_sha256, "
    "rows_bytes, facts_file, facts_sha256, facts_bytes, library, created_at",
    "coarse": "up_to, row_count, fingerprint, removed_to, kind, factory, tuning, file, sha256, bytes, "
    "library, created_at",
    "candidate": "encoder, fingerprint, dimension, state, created_at",
    "retention": "camera, seconds",
}
"""What the checksums of the other tables cover; vectors have their own, of their bytes alone."""

DERIVED = ("segment", "coarse")
"""The tables of files: of one that is damaged, the file is made anew."""

NEVER_FITS = -1
"""In the place of the checksum of what is known to be damaged."""

_ROWS_AT_ONCE = 1024


def checksum(row: tuple[object, ...]) -> int:
    """Of the values of a row, as SQLite gives them back."""
    return zlib.crc32(ascii(row).encode())


def sealed(*values: object) -> tuple[object, ...]:
    """The values of a row, and behind them its checksum."""
    return (*values, checksum(values))


def fits(row: tuple[object, ...]) -> bool:
    """Whether the last column is the checksum of those before it."""
    return checksum(row[:-1]) == row[-1]


@contextmanager
def torn_texts(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside, a text that is no UTF-8 any more can be read, so that its row can be named."""
    connection.text_factory = _as_it_stands
    try:
        yield
    finally:
        connection.text_factory = str


def _as_it_stands(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def own_row(connection: sqlite3.Connection) -> dict[str, Any]:
    """The one row of table `gallery`, by its columns. GalleryCorrupt if it is damaged."""
    row = connection.execute(f"SELECT {SEALED['gallery']}, crc FROM gallery").fetchone()
    if row is None or not fits(row):
        (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
        raise damaged(Path(path), "what it says of itself does not fit its checksum")
    return dict(zip(SEALED["gallery"].split(", "), row, strict=False))


def change_gallery(connection: sqlite3.Connection, assignments: str, values: Sequence[object] = ()) -> None:
    """Change the one row of table `gallery`; inside the caller's transaction.

    GalleryCorrupt rather than a new checksum for a damaged row.
    """
    own_row(connection)
    connection.execute(f"UPDATE gallery SET {assignments}", values)
    seal(connection, "gallery")


def seal(connection: sqlite3.Connection, table: str) -> None:
    """Enter the checksum of every row of a table, whatever stands there now."""
    rows = connection.execute(f"SELECT {SEALED[table]}, rowid FROM {table}").fetchall()
    connection.executemany(
        f"UPDATE {table} SET crc = ? WHERE rowid = ?", [(_first_checksum(row[:-1]), row[-1]) for row in rows]
    )


def enter_checksums(connection: sqlite3.Connection) -> None:
    """Fill in all checksums of an older gallery; inside its upgrade."""
    after = 0
    with torn_texts(connection):
        for table in SEALED:
            seal(connection, table)
        while rows := connection.execute(
            f"SELECT {ITEM_COLUMNS} FROM item WHERE id > ? ORDER BY id LIMIT ?", [after, _ROWS_AT_ONCE]
        ).fetchall():
            pictures = connection.execute(
                "SELECT item_id, jpeg FROM thumbnail WHERE item_id > ? AND item_id <= ?", [after, rows[-1][0]]
            )
            crcs = {id: zlib.crc32(jpeg) for id, jpeg in pictures if isinstance(jpeg, bytes)}
            connection.executemany(
                "UPDATE item SET crc = ?, thumbnail_crc = ? WHERE id = ?",
                [(_first_checksum(row), crcs.get(row[0]), row[0]) for row in rows],
            )
            after = rows[-1][0]


def _first_checksum(row: tuple[object, ...]) -> int:
    """What is damaged already, and shows it, is not to be trusted from now on."""
    try:
        for value in row:
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return NEVER_FITS
    return checksum(row)
