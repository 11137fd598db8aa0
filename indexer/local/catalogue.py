"""Which derived files the database knows. A file's row enters last, and leaves before the file is deleted."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from indexer.local.derived import WrittenFile
from indexer.local.schema import now
from indexer.local.segments import Range, Segment
from indexer.local.store import Identity, Moment, Store
from indexer.vectors.coarse import Tuning
from indexer.vectors.faiss_index import VERSION

_LIBRARY = f"faiss {VERSION}"
_SEGMENT_COLUMNS = (
    "id, after, up_to, row_count, fingerprint, changed_to, removed_to, "
    "rows_file, rows_sha256, rows_bytes, facts_file, facts_sha256, facts_bytes"
)


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
    query = f"SELECT {_SEGMENT_COLUMNS} FROM segment WHERE fingerprint = ? ORDER BY after"
    return [_segment(*row) for row in store.rows(query, [store.identity.fingerprint])]


def _segment(*row: Any) -> Segment:  # noqa: ANN401
    return Segment(*(*row[:7], WrittenFile(*row[7:10]), WrittenFile(*row[10:13])))


def coarse_file(store: Store) -> CoarseFile | None:
    """The newest approximate index of the living encoder."""
    query = (
        "SELECT id, up_to, row_count, fingerprint, removed_to, kind, factory, tuning, file, sha256, bytes "
        "FROM coarse WHERE fingerprint = ? ORDER BY id DESC LIMIT 1"
    )
    for row in store.rows(query, [store.identity.fingerprint]):
        tuning, file = Tuning(**json.loads(row[7])), WrittenFile(*row[8:11])
        return CoarseFile(*(*row[:7], tuning, file))
    return None


def file_names(store: Store) -> set[str]:
    """Every file that some row names, whichever encoder it belongs to."""
    query = (
        "SELECT rows_file FROM segment UNION ALL SELECT facts_file FROM segment "
        "UNION ALL SELECT file FROM coarse"
    )
    return {name for (name,) in store.rows(query)}


def stale_segments(store: Store, erased_only: bool = False) -> set[int]:
    """The ids of the segments whose files still hold removed rows; `erased_only`: rows that left no trace."""
    query = (
        "SELECT DISTINCT segment.id FROM segment JOIN removal ON removal.id > segment.removed_to "
        "AND removal.item_id > segment.after AND removal.item_id <= segment.up_to AND removal.erased >= ?"
    )
    return {id for (id,) in store.rows(query, [erased_only])}


def enter_segment(
    connection: sqlite3.Connection,
    covered: Range,
    rows: int,
    fingerprint: str,
    moment: Moment,
    files: tuple[WrittenFile, WrittenFile],
) -> None:
    """Enter a segment whose files are on the disk already."""
    columns = f"{_SEGMENT_COLUMNS.removeprefix('id, ')}, library, created_at"
    facts = (*covered, rows, fingerprint, moment.changes, moment.last_removal)
    written = [value for file in files for value in (file.name, file.sha256, file.size)]
    connection.execute(
        f"INSERT INTO segment ({columns}) VALUES ({', '.join('?' * 14)})",
        (*facts, *written, _LIBRARY, now()),
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
        "INSERT INTO coarse (up_to, row_count, fingerprint, removed_to, kind, factory, tuning, file, sha256, "
        "bytes, library, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*facts, json.dumps(tuning.as_dict()), file.name, file.sha256, file.size, _LIBRARY, now()),
    )


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


def forget_every_coarse(connection: sqlite3.Connection) -> None:
    """Drop the rows of all approximate indexes: none of them can be freed of some rows."""
    connection.execute("DELETE FROM coarse")
