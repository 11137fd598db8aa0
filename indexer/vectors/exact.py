"""The numpy index: every row is scored. The reference for the others, and the buffer for fresh rows."""

import io
from typing import cast

import numpy as np

from indexer.vectors.scoring import SHORTLIST_SLACK, best, check_ascending, cosine, merge, positions_of
from indexer.vectors.vector_index import Ids, Scores, Sink, Source, StoredVectors, Vectors


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

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> tuple[Scores, Ids]:
        """See VectorIndex.search."""
        ids, rows = self._ids, self._rows
        if allowed is not None:
            places = positions_of(allowed, ids)
            ids, rows = ids[places], rows[places]
        found = [_top(ids, rows, query, k) for query in queries]
        if not found:
            return merge([], 0, k)
        return np.stack([scores for scores, _ in found]), np.stack([hits for _, hits in found])

    def write(self, sink: Sink) -> None:
        """Two arrays in numpy's own format: ids, then rows as float16."""
        for array in (self._ids, self._rows.astype(np.float16)):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            sink.write(buffer.getvalue())

    @classmethod
    def read(cls, source: Source, dimension: int) -> "ExactIndex":
        """Restore what `write` wrote; ValueError if it is not that."""
        stream = cast(io.BytesIO, source)
        ids = np.lib.format.read_array(stream, allow_pickle=False)
        rows = np.lib.format.read_array(stream, allow_pickle=False)
        index = cls(dimension)
        if rows.shape != (len(ids), dimension):
            raise ValueError(f"rows of shape {rows.shape} where ({len(ids)}, {dimension}) was expected")
        index.add(ids, rows)
        return index


def _top(ids: Ids, rows: Vectors, query: Vectors, k: int) -> tuple[Scores, Ids]:
    """A fast single-precision pass proposes, the common score decides."""
    if len(ids) > k:
        rough = rows @ query
        near = rough >= np.partition(rough, len(ids) - k)[len(ids) - k] - SHORTLIST_SLACK
        ids, rows = ids[near], rows[near]
    return best(cosine(rows, query), ids, k)
