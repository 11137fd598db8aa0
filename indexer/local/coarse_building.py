"""Making an approximate index over the rows of a snapshot, wide enough for the recall that is promised.

Its recall is measured against a scan of all rows, with probes between and beside stored vectors, as nobody's
queries are at hand. One that cannot reach the goal is refused: every row is scanned instead.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexer.errors import GalleryError
from indexer.local import catalogue
from indexer.local.building import tidy
from indexer.local.checksums import change_gallery
from indexer.local.coarse_search import exact_scores
from indexer.local.derived import write_file
from indexer.local.snapshot import Snapshot
from indexer.local.store import Store
from indexer.local.writer import Writer
from indexer.vectors import EXACT, factory_of
from indexer.vectors.coarse import (
    WIDEST,
    CoarseIndex,
    Tuning,
    UnknownKindError,
    new_index,
    training_rows,
    tune,
)
from indexer.vectors.ranking import rank
from indexer.vectors.vector_index import Ids, StoredVectors, Vectors

log = logging.getLogger(__name__)

RECALL_GOAL = 0.99
RECALL_K, DEEP = 10, 100
"""The recall that must be reached is that of so few; so many are listed on the first pages of a search."""

PROBES = 200
DEPTHS = (30, 100, 300, 1000)
"""Up to which of these many hits the recall holds is measured too; rows are scanned for more than that."""

_SCANNED_SHARE = 8
"""Where one row in so many would have to be proposed, scanning all is as quick."""

_LEAST_PROBES = 40
_PROBE_NOISE = 0.7
_SEED = 5
_ROWS_AT_ONCE = 16_384
_CHANGED_SHARE = 4
"""It is made anew when more than one row in so many has come or gone since."""

_SAME_SCORE = 1e-9


def check_kind(kind: str, dimension: int) -> None:
    """GalleryError unless this is a word for a kind of index or a FAISS factory string."""
    try:
        factory = factory_of(kind, 1_000_000, dimension)
        if factory is not None:
            new_index(factory, dimension)
    except UnknownKindError as error:
        raise GalleryError(
            f"{kind!r} is no kind of index for vectors of {dimension} numbers: take auto, exact, ivf, hnsw, "
            "quantised, or a FAISS factory string such as IVF4096,SQ8."
        ) from error


def bring_up_coarse(writer: Writer, store: Store, folder: Path, current: Callable[[], Snapshot]) -> None:
    """Make, renew or drop the approximate index, as the gallery's kind and size want it.

    `current` gives the snapshot of everything; it is asked for only if an index is to be made.
    """
    identity, file, rows = store.identity, catalogue.coarse_file(store), store.count("item")
    factory = factory_of(identity.kind, rows, identity.dimension)
    if file is not None and (factory is None or file.kind != identity.kind):
        _drop(writer, store, folder)
        file = None
    if factory is None or (file is not None and not _due(store, file, rows)):
        return
    snapshot = current()
    made = _make(factory, identity.dimension, snapshot)
    if made is None:
        with writer.transaction() as connection:  # else each build would try again
            change_gallery(connection, "index_kind = ?", [EXACT])
        store.identity = replace(identity, kind=EXACT)
        return _drop(writer, store, folder)
    written = write_file(folder, ".coarse", made[0].write)
    covered, last_removal = (snapshot.moment.last_id, len(made[0])), snapshot.moment.last_removal
    with writer.transaction() as connection:
        catalogue.forget_coarse(connection, identity.fingerprint)
        catalogue.enter_coarse(connection, covered, identity, last_removal, factory, made[1], written)
    return tidy(writer, store, folder)


def _due(store: Store, file: catalogue.CoarseFile, rows: int) -> bool:
    """Whether too much has come and gone since the index was made."""
    gone = len(store.removed(file.removed_to))
    return (gone + max(0, rows - (file.rows - gone))) * _CHANGED_SHARE > file.rows


def _drop(writer: Writer, store: Store, folder: Path) -> None:
    """Drop the approximate index, so that every row is scanned."""
    with writer.transaction() as connection:
        catalogue.forget_coarse(connection, store.identity.fingerprint)
    tidy(writer, store, folder)


def _make(factory: str, dimension: int, snapshot: Snapshot) -> tuple[CoarseIndex, Tuning] | None:
    """The index and how it is searched; None, and a warning, if it cannot be made good enough."""
    random, ids = np.random.default_rng(_SEED), snapshot.ids(None)
    wanted = training_rows(factory, dimension, len(ids))
    training = rows_of(snapshot, np.sort(random.choice(ids, wanted, replace=False)))
    try:
        index = CoarseIndex.build(factory, dimension, training, _batches(snapshot))
    except ValueError as error:
        log.warning(
            "no index %s can be made of %d rows (%s): the kind is exact from now on.",
            factory,
            len(ids),
            error,
        )
        return None
    probes = _probes(random, training)
    recall = _Recall(snapshot, index, probes)
    tuning = tune(index, RECALL_K, min(DEEP, len(index)), len(probes), RECALL_GOAL, recall.measured)
    if tuning.recall < RECALL_GOAL:
        log.warning(
            "the index %s finds only %.1f %% of the %d best at its widest, not %.0f %%: it is refused, "
            "and the kind is exact from now on.",
            *(factory, 100 * tuning.recall, RECALL_K, 100 * RECALL_GOAL),
        )
        return None
    return index, replace(tuning, further=recall.further(tuning.widen))


def rows_of(snapshot: Snapshot, ids: Ids) -> Vectors:
    """The living rows with these ids, as float32 (rows, dimension)."""
    rows = [
        part.index.vectors_at(np.flatnonzero(np.isin(part.index.ids, ids, assume_unique=True)))
        for part in snapshot.parts
    ]
    return np.concatenate(rows)


def _batches(snapshot: Snapshot) -> Iterator[tuple[Ids, StoredVectors]]:
    for part in snapshot.parts:
        places = np.arange(len(part.index)) if part.living is None else np.flatnonzero(part.living)
        for start in range(0, len(places), _ROWS_AT_ONCE):
            some = places[start : start + _ROWS_AT_ONCE]
            yield part.index.ids[some], part.index.vectors_at(some).astype(np.float16)


def _probes(random: np.random.Generator, rows: Vectors) -> Vectors:
    """Unit vectors, half of them near one row, half between two."""
    near = rows[random.integers(len(rows), size=PROBES // 2)]
    noise = random.standard_normal(near.shape).astype(np.float32) * (_PROBE_NOISE / np.sqrt(near.shape[1]))
    between = rows[random.integers(len(rows), size=(PROBES // 2, 2))].sum(axis=1)
    probes = np.concatenate([near + noise, between])
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    return np.asarray(probes, np.float32)


class _Recall:
    """Of the best rows of some probes by a scan, the share that an index proposes."""

    def __init__(self, snapshot: Snapshot, index: CoarseIndex, probes: Vectors) -> None:
        self._snapshot, self._index, self._probes = snapshot, index, probes
        deepest = min(DEPTHS[-1], len(index))
        self._true, _ = rank([(part.index, part.living) for part in snapshot.parts], probes, deepest)

    def further(self, widen: int) -> list[tuple[int, int]]:
        """More hits for which the goal is reached, and with how many proposals for each, at least `widen`."""
        found = []
        for depth in DEPTHS:
            while self._is_worthwhile(widen, depth) and self.measured(widen, depth) < RECALL_GOAL:
                widen *= 2
            if not self._is_worthwhile(widen, depth):
                break
            found.append((depth, widen))
        return found

    def _is_worthwhile(self, widen: int, depth: int) -> bool:
        return widen <= WIDEST and depth * widen * _SCANNED_SHARE <= len(self._index)

    def measured(self, widen: int, depth: int) -> float:
        """With so many proposals for each row wanted. A row that scores the same as the last counts too.

        Fewer probes do for deep searches, each of which looks for many rows.
        """
        found, count = 0, max(_LEAST_PROBES, PROBES * RECALL_K // depth)
        probes, true = self._probes[:count], self._true[:count]
        proposed = self._index.propose(probes, widen * depth)
        for query, best, ids in zip(probes, true, proposed, strict=True):
            scores, _ = exact_scores(self._snapshot.parts, query, np.sort(ids))
            found += min(depth, int(np.count_nonzero(scores >= best[depth - 1] - _SAME_SCORE)))
        return found / (depth * len(probes))
