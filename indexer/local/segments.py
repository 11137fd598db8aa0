"""Segments: the vectors and the facts of consecutive rows as two derived files.

`.rows` is an exact FAISS index, `.facts` the columns that filters look at. A segment never changes; rows that
came later stand in later segments, and removed ones are masked until their segment is written anew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from indexer.local.database import damaged
from indexer.local.derived import DamagedFileError, WrittenFile, read_file, write_file
from indexer.local.facts import FactRow, Facts
from indexer.local.store import Store
from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.vector_index import Buffer, VectorIndex

SEGMENT_ROWS = 65_536
"""Rows of a full segment: small enough to be scanned side by side and rewritten in a second."""


_NEARLY_FULL = 0.75
RowsIndex = TypeVar("RowsIndex", bound=VectorIndex)


@dataclass(frozen=True)
class Segment:
    """One row of table `segment`: two files over the items with after < id <= up_to.

    The facts are those of when `changed_to` changes had been made. Rows whose removal has an id above
    `removed_to` are still in the files.
    """

    id: int
    after: int
    up_to: int
    rows: int
    fingerprint: str
    changed_to: int
    removed_to: int
    rows_file: WrittenFile
    facts_file: WrittenFile


@dataclass(frozen=True)
class Content:
    """What a segment holds, in memory: two views of the same rows, with the same ids."""

    index: FaissIndex
    facts: Facts


def write_segment(folder: Path, content: Content) -> tuple[WrittenFile, WrittenFile]:
    """Write both files, durable on return: rows, facts."""
    return write_file(folder, ".rows", content.index.write), write_file(folder, ".facts", content.facts.write)


def read_segment(folder: Path, segment: Segment, dimension: int) -> Content:
    """The content of a segment, checked; DamagedFileError if it cannot be trusted."""
    try:
        index = FaissIndex.read(read_file(folder, segment.rows_file), dimension)
        facts = Facts.read(_Bytes(read_file(folder, segment.facts_file)))
    except ValueError as error:
        raise DamagedFileError(f"the segment up to item {segment.up_to} cannot be read ({error})") from error
    if len(index) != segment.rows or not np.array_equal(index.ids, facts.ids):
        raise DamagedFileError(f"the segment up to item {segment.up_to} does not hold its rows")
    return Content(index, facts)


def read_rows(
    store: Store, after: int, up_to: int, facts: list[FactRow], empty: RowsIndex
) -> tuple[RowsIndex, Facts]:
    """The rows with after < id <= up_to, whose facts these are: `empty` with their vectors, and columns.

    GalleryCorrupt if the two do not belong together.
    """
    columns = Facts.from_rows(facts)
    for ids, vectors in store.vectors(after, up_to):
        empty.add(ids, vectors)
    if not np.array_equal(empty.ids, columns.ids):
        raise damaged(store.path, f"items and vectors up to item {up_to} are not the same")
    return empty, columns


class _Bytes:
    """A buffer as a Source."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer, self._place = buffer, 0

    def read(self, size: int, /) -> bytes:
        end = len(self._buffer) if size < 0 else self._place + size
        data = self._buffer[self._place : end].tobytes()
        self._place += len(data)
        return data


Range = tuple[int, int]
"""after < id <= up_to."""


@dataclass(frozen=True)
class Plan:
    """What a build does: `kept` segments stay, each range of `written` replaces what stood there."""

    kept: list[Segment]
    written: list[Range]


def plan(segments: Sequence[Segment], stale: set[int], last: int, filled: Callable[[Range], bool]) -> Plan:
    """How to cover the rows up to id `last`.

    `stale` are the ids of segments that hold removed rows or are damaged; `filled` says whether a range has
    any row. A segment that is not full is written anew together with what is missing beside it, and so are
    two neighbours that fit into one.
    """
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: segment.after):
        if segment.id not in stale and segment.up_to <= last and segment.after >= _end(kept):
            kept.append(segment)
    missing = [gap for gap in gaps(kept, last) if filled(gap)]
    edges = {edge for gap in missing for edge in gap}
    kept = [
        segment
        for segment in kept
        if segment.rows > _NEARLY_FULL * SEGMENT_ROWS or not edges & {segment.after, segment.up_to}
    ]
    kept = _without_small_pairs(kept)
    return Plan(kept, [gap for gap in gaps(kept, last) if filled(gap)])


def _without_small_pairs(segments: list[Segment]) -> list[Segment]:
    small = {
        segment.id
        for pair in pairwise(segments)
        if sum(segment.rows for segment in pair) <= SEGMENT_ROWS
        for segment in pair
    }
    return [segment for segment in segments if segment.id not in small]


def _end(segments: Sequence[Segment]) -> int:
    return segments[-1].up_to if segments else 0


def gaps(kept: Sequence[Segment], last: int) -> Iterator[Range]:
    """The ranges up to `last` that the segments (by rising ids) leave open."""
    end = 0
    for segment in kept:
        if segment.after > end:
            yield end, segment.after
        end = segment.up_to
    if last > end:
        yield end, last
