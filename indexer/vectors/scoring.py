"""The one score every index reports, so that all of them rank alike to the last bit.

Libraries sum products in different orders, and so differ in the seventh digit: enough to swap near-ties. An
index therefore only proposes candidates; their scores are computed here, row by row, in double precision.
"""

import numpy as np

from indexer.vectors.vector_index import Ids, Scores, Vectors

SHORTLIST_SLACK = 2e-5
"""Twice a generous bound on the error of a single-precision inner product of two unit vectors."""

_CHUNK = 4096


def cosine(rows: Vectors, query: Vectors) -> Scores:
    """Cosine of unit rows (n, dimension) with a unit query (dimension,); equal rows get equal scores."""
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    parts = [np.sum(chunk.astype(np.float64) * query, axis=1) for chunk in chunks]
    return np.concatenate(parts) if parts else np.empty(0)


def best(scores: Scores, ids: Ids, k: int) -> tuple[Scores, Ids]:
    """The k best (k,), best first, ties by lower id; padded with -inf and -1."""
    order = np.lexsort((ids, -scores))[:k]
    missing = k - len(order)
    return (
        np.concatenate([scores[order], np.full(missing, -np.inf)]),
        np.concatenate([ids[order], np.full(missing, -1, np.int64)]),
    )


def merge(found: list[tuple[Scores, Ids]], queries: int, k: int) -> tuple[Scores, Ids]:
    """Join the answers of several indexes with disjoint ids into one (queries, k)."""
    if not found:
        return np.full((queries, k), -np.inf), np.full((queries, k), -1, np.int64)
    if len(found) == 1:
        return found[0]
    scores, ids = np.concatenate([s for s, _ in found], 1), np.concatenate([i for _, i in found], 1)
    rows = [best(scores[q][ids[q] >= 0], ids[q][ids[q] >= 0], k) for q in range(queries)]
    return np.stack([s for s, _ in rows]), np.stack([i for _, i in rows])


def positions_of(wanted: Ids, ids: Ids) -> Ids:
    """Where those of the wanted ids that are present stand in the ascending ids."""
    if not len(ids):
        return np.empty(0, np.int64)
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    found: Ids = places[ids[places] == wanted]
    return found


def check_ascending(present: Ids, new: Ids) -> None:
    """ValueError unless `present` followed by `new` ascends strictly."""
    if len(new) and (np.any(np.diff(new) <= 0) or (len(present) and new[0] <= present[-1])):
        raise ValueError("ids must ascend and exceed those already present")
