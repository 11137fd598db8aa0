"""The k best over several indexes with disjoint ids: all propose, one score decides, ties by lower id."""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from indexer.vectors.scoring import best, cosine, near_the_best
from indexer.vectors.vector_index import Ids, Mask, Scores, Shortlist, VectorIndex, Vectors

Part = tuple[VectorIndex, Mask | None]
"""An index and which of its rows count; None: all of them."""


def rank(parts: Sequence[Part], queries: Vectors, k: int, pool: Executor | None = None) -> tuple[Scores, Ids]:
    """Scores and ids (queries, k) of the best allowed rows, best first; missing places hold -inf and -1.

    Exact: as if every allowed row were scored. `pool`: scans the parts side by side where there is one query,
    as the libraries use all cores for several.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if not len(queries):
        return np.empty((0, k)), np.empty((0, k), np.int64)
    asked = [(index, allowed) for index, allowed in parts if len(index)]
    if pool is not None and len(queries) == 1 and len(asked) > 1:
        proposed = list(pool.map(lambda part: part[0].shortlist(queries, k, part[1]), asked))
    else:
        proposed = [index.shortlist(queries, k, allowed) for index, allowed in asked]
    rows = [
        _decide([index for index, _ in asked], [lists[place] for lists in proposed], query, k)
        for place, query in enumerate(queries)
    ]
    return np.stack([scores for scores, _ in rows]), np.stack([ids for _, ids in rows])


def _decide(
    indexes: list[VectorIndex], shortlists: list[Shortlist], query: Vectors, k: int
) -> tuple[Scores, Ids]:
    """Score what may be among the best over all indexes."""
    if not indexes:
        return best(np.empty(0), np.empty(0, np.int64), k)
    near = near_the_best(np.concatenate([rough for rough, _ in shortlists]), k)
    ends = np.cumsum([len(rough) for rough, _ in shortlists])[:-1]
    ids, rows = [], []
    for index, (_, places), wanted in zip(indexes, shortlists, np.split(near, ends), strict=True):
        if wanted.any():
            ids.append(index.ids[places[wanted]])
            rows.append(index.vectors_at(places[wanted]))
    if not ids:
        return best(np.empty(0), np.empty(0, np.int64), k)
    return best(cosine(np.concatenate(rows), query), np.concatenate(ids), k)
