"""Searching by an approximate index: it proposes, exact rows decide; what it does not cover is scanned."""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from indexer.local import catalogue
from indexer.local.derived import DamagedFileError, read_file
from indexer.local.store import Store
from indexer.vectors.coarse import CoarseIndex
from indexer.vectors.ranking import rank
from indexer.vectors.scoring import best, cosine, positions_of
from indexer.vectors.vector_index import Ids, Mask, Scores, VectorIndex, Vectors

log = logging.getLogger(__name__)


class LivingRows(Protocol):
    """What a search needs of a part of a snapshot."""

    @property
    def index(self) -> VectorIndex:
        """The exact rows."""
        ...

    @property
    def living(self) -> Mask | None:
        """Which of them still count; None: all."""
        ...

    @property
    def up_to(self) -> int:
        """The highest id they may hold."""
        ...


@dataclass(frozen=True)
class Coarse:
    """An approximate index in memory, set as it was tuned, and the row of its file."""

    file: catalogue.CoarseFile
    index: CoarseIndex

    def search(
        self, parts: Sequence[LivingRows], queries: Vectors, k: int, pool: Executor | None
    ) -> tuple[Scores, Ids]:
        """Scores and ids (queries, k): of what it proposes, and of every row that it does not cover.

        A query for which it proposes too few to find k rows, as a graph may, is answered by scanning all; so
        is every query for more hits than its recall was measured for.
        """
        if k > self.file.tuning.reach:
            return _scan(parts, queries, k, pool)
        covered = [part for part in parts if part.up_to <= self.file.up_to]
        scores, ids = _scan([part for part in parts if part.up_to > self.file.up_to], queries, k, pool)
        asked = np.asarray(queries, np.float32)
        propose = partial(self._proposed, covered, k)
        found = pool.map(propose, asked) if pool else map(propose, asked)
        for place, (near_scores, near) in enumerate(found):
            known = ids[place] >= 0
            scores[place], ids[place] = best(
                np.concatenate([scores[place][known], near_scores]),
                np.concatenate([ids[place][known], near]),
                k,
            )
        short = np.flatnonzero(ids[:, -1] < 0)
        if len(short):
            scores[short], ids[short] = _scan(parts, queries[short], k, pool)
        return scores, ids

    def _proposed(self, parts: Sequence[LivingRows], k: int, query: Vectors) -> tuple[Scores, Ids]:
        """Exact scores of living rows likely to be near; more are asked for where many were removed."""
        count, rows = self.file.tuning.proposals(k), len(self.index)
        while True:
            ids = np.sort(self.index.propose(query[None], count)[0])
            scores, living = exact_scores(parts, query, ids)
            if len(living) >= k or count >= rows or len(ids) < count:
                return scores, living
            count *= 4


def _scan(parts: Sequence[LivingRows], queries: Vectors, k: int, pool: Executor | None) -> tuple[Scores, Ids]:
    return rank([(part.index, part.living) for part in parts], queries, k, pool)


def exact_scores(parts: Sequence[LivingRows], query: Vectors, ids: Ids) -> tuple[Scores, Ids]:
    """The cosine of those of the rows (ascending ids) that are there and living, and their ids.

    The parts hold rising ids.
    """
    rows, found, start = [np.empty((0, len(query)), np.float32)], [np.empty(0, np.int64)], 0
    ends = np.searchsorted(ids, [part.up_to for part in parts], side="right").tolist()
    for part, end in zip(parts, ends, strict=True):
        if end > start:
            places = positions_of(ids[start:end], part.index.ids)
            if part.living is not None:
                places = places[part.living[places]]
            rows.append(part.index.vectors_at(places))
            found.append(part.index.ids[places])
        start = end
    return cosine(np.concatenate(rows), query), np.concatenate(found)


def load_coarse(store: Store, folder: Path, old: Coarse | None, distrusted: set[str]) -> Coarse | None:
    """The newest approximate index, tuned; None where there is none.

    A damaged one is warned of once: `distrusted` holds the names of such files.
    """
    file = catalogue.coarse_file(store)
    if file is None or file.file.name in distrusted:
        return None
    if old is not None and old.file.id == file.id:
        return old
    try:
        index = CoarseIndex.read(read_file(folder, file.file), store.identity.dimension)
        if len(index) != file.rows:
            raise ValueError(f"it holds {len(index)} rows instead of {file.rows}")
    except (DamagedFileError, ValueError) as error:
        log.warning("%s: every row is scanned instead, which is exact but slower.", error)
        distrusted.add(file.file.name)
        return None
    index.set(file.tuning.parameter, file.tuning.value)
    return Coarse(file, index)
