"""Which derived files the database knows. A file's row enters last, and leaves before the file is deleted."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.local.checked_rows import even_torn
from indexer.local.checksums import DERIVED, SEALED, fits, sealed
from indexer.local.derived import WrittenFile
from indexer.local.schema import now
from indexer.local.segments import Range, Segment
from indexer.local.store import Identity, Moment, Store
from indexer.vectors.coarse import Tuning
from indexer.vectors.faiss_index import VERSION

_LIBRARY = f"faiss {VERSION}"


@dataclass(frozen=True)
class CoarseFile:
    """One row of table `coarse`: an approximate index over `rows` items with id <= up_to."""

    id: int
    up_to: int
    rows: int
    fingerprint: str
    removed_to: int
    kind: str
    factory: str
    tuning: Tuning
    file: WrittenFile


def segments(store: Store) -> list[Segment]:
    """The segments of the living encoder, by rising ids."""
    rows = _entries(store, "segment", "WHERE fingerprint = ? ORDER BY after", [store.identity.fingerprint])
    return [_segment(row) for row in rows if fits(row[1:])]


def _segment(row: Sequence[Any]) -> Segment:
    return Segment(*(*row[:7], WrittenFile(*row[7:10]), WrittenFile(*row[10:13])))


def coarse_file(store: Store) -> CoarseFile | None:
    """The newest approximate index of the living encoder."""
    behind = "WHERE fingerprint = ? ORDER BY id DESC LIMIT 1"
    for row in _entries(store, "coarse", behind, [store.identity.fingerprint]):
        if fits(row[1:]):
            tuning, file = Tuning(**json.loads(row[7])), WrittenFile(*row[8:11])
            return CoarseFile(*(*row[:7], tuning, file))
    return None


def damaged_entries(store: Store) -> dict[str, list[int]]:
    """For `segment` and `coarse` the ids of rows that do not fit their checksum: nobody uses their files."""
    return {table: [row[0] for row in _entries(store, table) if not fits(row[1:])] for table in DERIVED}


def _entries(
    store: Store, table: str, behind: str = "", values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a table, each with its id first and its checksum last."""
    return even_torn(store, f"SELECT id, {SEALED[table]}, crc FROM {table} {behind}", values)


def file_names(store: Store) -> set[str]:
    """Every file that some row names, whichever encoder it belongs to."""
    query = (
        "SELECT rows_file FROM segment UNION ALL SELECT facts_file FROM segment "
        "UNION ALL SELECT file FROM coarse"
    )
    return {name for (name,) in store.rows(query)}


def stale_segments(store: Store) -> set[int]:
    """The ids of the segments whose files still hold removed rows."""
    query = (
        "SELECT DISTINCT segment.id FROM segment JOIN removal ON removal.id > segment.removed_to "
        "AND removal.item_id > segment.after AND removal.item_id <= segment.up_to"
    )
    return {id for (id,) in store.rows(query)}


def enter_segment(
    connection: sqlite3.Connection,
    covered: Range,
    rows: int,
    fingerprint: str,
    moment: Moment,
    files: tuple[WrittenFile, WrittenFile],
) -> None:
    """Enter a segment whose files are on the disk already."""
    facts = (*covered, rows, fingerprint, moment.changes, moment.last_removal)
    written = [value for file in files for value in (file.name, file.sha256, file.size)]
    connection.execute(
        f"INSERT INTO segment ({SEALED['segment']}, crc) VALUES ({', '.join('?' * 15)})",
        sealed(*facts, *written, _LIBRARY, now()),
    )


def enter_coarse(
    connection: sqlite3.Connection,
    covered: tuple[int, int],
    identity: Identity,
    last_removal: int,
    factory: str,
    tuning: Tuning,
    file: WrittenFile,
) -> None:
    """Enter an approximate index over (up to which id, how many rows), whose file is on the disk already."""
    facts = (*covered, identity.fingerprint, last_removal, identity.kind, factory)
    connection.execute(
        f"INSERT INTO coarse ({SEALED['coarse']}, crc) VALUES ({', '.join('?' * 13)})",
        sealed(*facts, json.dumps(tuning.as_dict()), file.name, file.sha256, file.size, _LIBRARY, now()),
    )


def forget_damaged_entries(connection: sqlite3.Connection, entries: Mapping[str, Iterable[int]]) -> None:
    """Drop these rows of `segment` and `coarse`."""
    for table, ids in entries.items():
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(id,) for id in ids])


def forget_segments(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Drop the rows of segments whose files are about to be deleted."""
    connection.executemany("DELETE FROM segment WHERE id = ?", [(id,) for id in ids])


def forget_segments_within(connection: sqlite3.Connection, covered: Range, fingerprint: str) -> None:
    """Drop the rows of the segments that hold any id of a range."""
    after, up_to = covered
    connection.execute(
        "DELETE FROM segment WHERE fingerprint = ? AND after < ? AND up_to > ?", [fingerprint, up_to, after]
    )


def forget_coarse(connection: sqlite3.Connection, fingerprint: str) -> None:
    """Drop the rows of the approximate indexes of an encoder."""
    connection.execute("DELETE FROM coarse WHERE fingerprint = ?", [fingerprint])


def forget_coarse_with_removed(connection: sqlite3.Connection) -> None:
    """Drop the rows of all approximate indexes, whichever the encoder, whose files may hold removed rows."""
    connection.execute("DELETE FROM coarse WHERE removed_to < (SELECT max(id) FROM removal)")
