"""The one score every index reports, so that all of them rank alike to the last bit.

Libraries sum products in different orders, and so differ in the seventh digit: enough to swap near-ties. An
index therefore only proposes candidates; their scores are computed here, row by row, in double precision.
"""

import numpy as np

from indexer.vectors.vector_index import Ids, Mask, Scores, Vectors

ROUGHNESS = 1e-5
"""A generous bound on the error of a single-precision inner product of two unit vectors."""

SHORTLIST_SLACK = 2 * ROUGHNESS
"""A row that is rougher than the k-th best by more than this cannot be among the true k best."""

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


def near_the_best(rough: Vectors, k: int) -> Mask:
    """Which of the rough scores (n,) may belong to one of the k best."""
    if len(rough) <= k:
        return np.ones(len(rough), bool)
    near: Mask = rough >= np.partition(rough, len(rough) - k)[len(rough) - k] - SHORTLIST_SLACK
    return near


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
