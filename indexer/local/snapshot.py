"""What one search sees: every committed row of one moment, in exact parts, and what a filter leaves of them.

A snapshot never changes; taking up what was committed makes a new one that shares the large parts with the
old. Rows without a sound segment are read from the database.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from indexer.filters import ATTRIBUTE, Filter
from indexer.local import catalogue
from indexer.local.checked_rows import changed_facts, fact_rows
from indexer.local.coarse_search import Coarse, load_coarse
from indexer.local.derived import DamagedFileError
from indexer.local.facts import FactRow, Facts
from indexer.local.seen import timeline_of
from indexer.local.segments import SEGMENT_ROWS, Segment, gaps, read_rows, read_segment
from indexer.local.store import Moment, Store
from indexer.timeline import Timeline
from indexer.vectors.exact import ExactIndex
from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.placement import Placement
from indexer.vectors.ranking import rank
from indexer.vectors.scoring import positions_of
from indexer.vectors.vector_index import Ids, Mask, Scores, VectorIndex, Vectors

log = logging.getLogger(__name__)

TAIL_ROWS = 4096
"""Fresh rows up to this many are read again at each refresh; more become a part that stays."""

_REMEMBERED_FILTERS = 16


@dataclass(frozen=True)
class Part:
    """Some of the rows: their vectors, their facts, and which of them still live (None: all).

    Its ids are after < id <= up_to; it shows the gallery after `changed_to` changes and the removals up to
    `removed_to`. `segment` is the id of the segment it was read from, None if it comes from the database.
    """

    index: VectorIndex
    facts: Facts
    after: int
    up_to: int
    changed_to: int
    removed_to: int
    segment: int | None = None
    living: Mask | None = None


@dataclass(frozen=True)
class Snapshot:
    """Parts with disjoint ids, rising. The last may be a `tail`, which the next snapshot replaces.

    `distrusted` are files found damaged: they are not tried again, and not warned of again.
    """

    moment: Moment
    parts: tuple[Part, ...]
    tail: bool
    coarse: Coarse | None
    distrusted: frozenset[str] = frozenset()
    _masks: dict[Filter, tuple[Mask, ...]] = field(default_factory=dict)

    def search(
        self, queries: Vectors, k: int, where: Filter | None, pool: Executor | None = None
    ) -> tuple[Scores, Ids]:
        """Scores and ids (queries, k) of the best allowed rows; -inf and -1 where there are fewer."""
        if where is None and self.coarse is not None:
            return self.coarse.search(self.parts, queries, k, pool)
        masks = self.masks(where)
        return rank(
            [(part.index, mask) for part, mask in zip(self.parts, masks, strict=True)], queries, k, pool
        )

    def masks(self, where: Filter | None) -> tuple[Mask | None, ...]:
        """For each part which rows a filter leaves (None: all)."""
        return tuple(part.living for part in self.parts) if where is None else self._left(where)

    def _left(self, where: Filter) -> tuple[Mask, ...]:
        """The same for a filter; remembered for those asked last."""
        known = self._masks.get(where)
        if known is None:
            known = tuple(_left(part, where) for part in self.parts)
            if len(self._masks) >= _REMEMBERED_FILTERS:
                self._masks.clear()
            self._masks[where] = known
        return known

    def ids(self, where: Filter | None) -> Ids:
        """The ids of the living rows that a filter leaves, ascending."""
        found = [
            part.index.ids if mask is None else part.index.ids[mask]
            for part, mask in zip(self.parts, self.masks(where), strict=True)
        ]
        return np.concatenate([*found, np.empty(0, np.int64)])

    def count(self, where: Filter) -> int:
        """How many living rows a filter leaves."""
        return sum(int(np.count_nonzero(mask)) for mask in self._left(where))

    def attributes(self, where: Filter | None) -> set[str]:
        """The names of the attributes that living rows have which a filter leaves."""
        found = set[str]()
        for part, mask in zip(self.parts, self.masks(where), strict=True):
            for name, column in part.facts.columns.items():
                if name.startswith(ATTRIBUTE) and name not in found and column.any(mask):
                    found.add(name)
        return {name.removeprefix(ATTRIBUTE) for name in found}

    def timeline(self, most: int, where: Filter | None) -> Timeline:
        """When the living rows that a filter leaves were seen, in at most so many steps."""
        columns = [
            (part.facts.columns["seen_at"], mask)
            for part, mask in zip(self.parts, self.masks(where), strict=True)
            if "seen_at" in part.facts.columns
        ]
        return timeline_of([(column, column.counted(mask)) for column, mask in columns], most)


def _left(part: Part, where: Filter) -> Mask:
    mask = part.facts.mask(where)
    return mask if part.living is None else mask & part.living


@dataclass(frozen=True)
class Loading:
    """How segments are read: side by side where there is a pool, and onto which devices."""

    pool: Executor | None = None
    placement: Placement = field(default_factory=Placement)


def take(store: Store, folder: Path, old: Snapshot | None = None, loading: Loading | None = None) -> Snapshot:
    """The snapshot of everything committed; of the old one what still holds is kept. Warns of damaged files.

    All that is read from the database is of one moment. A file may vanish meanwhile, when the writer has
    replaced it: then the next moment is tried.
    """
    loading = loading or Loading()
    distrusted = set(old.distrusted) if old else set[str]()
    loaded = {part.segment: part for part in old.parts if part.segment} if old else {}
    while True:
        try:
            with store.one_moment():
                return _take(store, folder, old, loaded, distrusted, loading)
        except _UnreadableSegmentError as error:
            if error.segment in catalogue.segments(store):
                log.warning("%s: searching goes on from the database, which has everything.", error)
                distrusted.add(error.segment.rows_file.name)


class _UnreadableSegmentError(Exception):
    """The files of a segment are damaged, or were replaced since the moment that is being read."""

    def __init__(self, segment: Segment, reason: Exception) -> None:
        super().__init__(str(reason))
        self.segment = segment


def _take(
    store: Store,
    folder: Path,
    old: Snapshot | None,
    loaded: dict[int, Part],
    distrusted: set[str],
    loading: Loading,
) -> Snapshot:
    store.check_encoder()
    moment = store.moment()
    if old is not None and old.moment.epoch != moment.epoch:
        old = None
        loaded.clear()
    sound = [segment for segment in catalogue.segments(store) if segment.rows_file.name not in distrusted]
    unread = [segment for segment in sound if segment.id not in loaded]
    read = partial(_from_files, folder, store.identity.dimension, loading.placement)
    for part in loading.pool.map(read, unread) if loading.pool else map(read, unread):
        loaded[part.segment or 0] = part
    parts = [loaded[segment.id] for segment in sound]
    reusable = {part.after: part for part in old.parts if not part.segment} if old else {}
    if old is not None and old.tail:
        reusable.pop(old.parts[-1].after, None)
    for after, up_to in gaps(sound, moment.last_id):
        parts += _from_database(store, moment, after, up_to, reusable)
    parts.sort(key=lambda part: part.after)
    tail = bool(parts) and parts[-1].segment is None and len(parts[-1].index) <= TAIL_ROWS
    coarse = None
    if not loading.placement.devices:  # a GPU scans all rows more quickly than it would be worth
        coarse = load_coarse(store, folder, old.coarse if old else None, distrusted)
    return Snapshot(moment, _brought_up(store, moment, parts), tail, coarse, frozenset(distrusted))


def _from_files(folder: Path, dimension: int, placement: Placement, segment: Segment) -> Part:
    try:
        content = read_segment(folder, segment, dimension)
    except DamagedFileError as error:
        raise _UnreadableSegmentError(segment, error) from error
    reach = (segment.after, segment.up_to)
    index = placement.place(content.index, segment.id)
    return Part(index, content.facts, *reach, segment.changed_to, segment.removed_to, segment.id)


def _from_database(
    store: Store, moment: Moment, after: int, up_to: int, reusable: dict[int, Part]
) -> Iterator[Part]:
    """Parts over the rows of a range: those of the last snapshot, then new ones of what came since."""
    while after in reusable and reusable[after].up_to <= up_to:
        part = reusable[after]
        yield part
        after = part.up_to
    while facts := fact_rows(store, after, up_to, SEGMENT_ROWS):
        end = facts[-1][0] if len(facts) == SEGMENT_ROWS else up_to
        empty = (ExactIndex if len(facts) <= TAIL_ROWS else FaissIndex)(store.identity.dimension)
        index, columns = read_rows(store, after, end, facts, empty)
        yield Part(index, columns, after, end, moment.changes, moment.last_removal)
        after = end


def _brought_up(store: Store, moment: Moment, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with what was removed and changed since each was made."""
    removed = store.removed(min((part.removed_to for part in parts), default=moment.last_removal))
    changed = changed_facts(store, min((part.changed_to for part in parts), default=moment.changes))
    return tuple(_at_moment(part, moment, removed, changed) for part in parts)


def _at_moment(part: Part, moment: Moment, removed: Ids, changed: list[FactRow]) -> Part:
    living, facts = part.living, part.facts
    gone = positions_of(removed, part.index.ids)
    if len(gone):
        living = np.ones(len(part.index), bool) if living is None else living.copy()
        living[gone] = False
    mine = [row for row in changed if part.after < row[0] <= part.up_to]
    if mine:
        facts = facts.changed(mine)
    if (part.changed_to, part.removed_to) == (moment.changes, moment.last_removal):
        return part
    return replace(
        part, living=living, facts=facts, changed_to=moment.changes, removed_to=moment.last_removal
    )
