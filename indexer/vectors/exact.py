"""The numpy index: every row is scored. The buffer for fresh rows, and the reference for other indexes."""

import numpy as np

from indexer.vectors.scoring import check_ascending, near_the_best
from indexer.vectors.vector_index import Ids, Mask, Shortlist, StoredVectors, Vectors


class ExactIndex:
    """Rows held as one float32 matrix (rows, dimension)."""

    def __init__(self, dimension: int) -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._rows: Vectors = np.empty((0, dimension), np.float32)

    @property
    def ids(self) -> Ids:
        """The ids (rows,), ascending."""
        return self._ids

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._ids)

    def add(self, ids: Ids, vectors: StoredVectors) -> None:
        """Append rows; ValueError if the ids do not ascend."""
        check_ascending(self._ids, ids)
        self._ids = np.concatenate([self._ids, ids])
        self._rows = np.concatenate([self._rows, vectors.astype(np.float32)])

    def shortlist(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Shortlist]:
        """See VectorIndex.shortlist."""
        places = np.arange(len(self._ids)) if allowed is None else np.flatnonzero(allowed)
        rows = self._rows if allowed is None else self._rows[places]
        found = []
        for query in queries:
            rough = rows @ query
            near = near_the_best(rough, k)
            found.append((rough[near], places[near]))
        return found

    def vectors_at(self, places: Ids) -> Vectors:
        """The rows at these places."""
        rows: Vectors = self._rows[places]
        return rows
