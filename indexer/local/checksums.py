"""A checksum for each row, so that a bit that turns in a text is noticed as one in a vector is.

It is the crc32 of the row's values as `ascii` writes them, in the order of its columns: one text for one row,
which no version of Python writes in another way.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ITEM_COLUMNS = "id, key, uri, source, box, camera, seen_at, track, attributes, added_at, changed"
"""What the checksum of an item's facts covers: all that is stored of it but vector and thumbnail."""

NEVER_FITS = -1
"""In the place of the checksum of what is known to be damaged."""

_ROWS_AT_ONCE = 1024


def checksum(values: Sequence[object]) -> int:
    """Of the values of a row, as SQLite gives them back."""
    return zlib.crc32(ascii(tuple(values)).encode())


def fits(row: Sequence[object]) -> bool:
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


def enter_checksums(connection: sqlite3.Connection) -> None:
    """Fill in the checksums of all items and thumbnails of an older gallery; inside its upgrade."""
    after = 0
    with torn_texts(connection):
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


def _first_checksum(row: Sequence[object]) -> int:
    """What is damaged already, and shows it, is not to be trusted from now on."""
    try:
        for value in row:
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        return NEVER_FITS
    return checksum(row)
