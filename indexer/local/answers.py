"""Hits with their facts: a ranking of one snapshot, and whether the database still shows the same moment."""

from collections.abc import Iterable
from concurrent.futures import Executor

import numpy as np

from indexer.filters import Filter
from indexer.items import Hit
from indexer.local.checked_rows import items
from indexer.local.database import in_chunks, marks
from indexer.local.snapshot import Snapshot
from indexer.local.store import Store
from indexer.vectors.vector_index import Vectors


def answers(
    store: Store, snapshot: Snapshot, queries: Vectors, k: int, where: Filter | None, pool: Executor | None
) -> tuple[list[list[Hit]], bool]:
    """For each query the best rows of the snapshot that are still there, with their facts of now.

    And whether facts and ranking are of one moment: no hit was changed, removed or given another meaning.
    """
    scores, ids = snapshot.search(queries, k, where, pool)
    wanted = np.unique(ids[ids >= 0]).tolist()
    with store.one_moment():
        facts = items(store, wanted)
        same = len(facts) == len(wanted) and not _moved_on(store, snapshot, wanted)
    hits = [
        [
            Hit(id, min(1.0, max(-1.0, score)), facts[id])
            for id, score in zip(row.tolist(), best.tolist(), strict=True)
            if id in facts
        ]
        for row, best in zip(ids, scores, strict=True)
    ]
    return hits, same


def _moved_on(store: Store, snapshot: Snapshot, ids: Iterable[int]) -> bool:
    """Whether one of the items was changed since, or ids may stand for others."""
    if store.row("SELECT epoch FROM gallery") != (snapshot.moment.epoch,):
        return True
    for chunk in in_chunks(ids):
        query = f"SELECT max(changed) > ? FROM item WHERE id IN ({marks(chunk)})"
        if store.row(query, [snapshot.moment.changes, *chunk])[0]:
            return True
    return False
