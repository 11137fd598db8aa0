"""A FAISS index on the CPU: half-precision rows, all scanned, filtered by an id selector inside the scan."""

from typing import Any

import faiss as untyped_faiss
import numpy as np

from indexer.vectors.scoring import SHORTLIST_SLACK, best, check_ascending, cosine, merge, positions_of
from indexer.vectors.vector_index import Ids, Scores, Sink, Source, StoredVectors, Vectors

faiss: Any = untyped_faiss  # its annotations describe the C++ calls, not the Python ones
VERSION: str = faiss.__version__

_SPARE = 16
"""Candidates fetched beyond k; a tie that reaches further fetches more."""

_GATHER_BELOW = 512
"""So few allowed rows are scored directly instead of scanning past all the others."""


class FaissIndex:
    """Rows behind any exhaustive FAISS factory string.

    `_mapped` is what is stored on disk (places and ids), `_index` the rows inside it, owned by it; searches
    go to `_index`, where a row's place is its place in `ids`.
    """

    def __init__(self, dimension: int, factory: str = "SQfp16") -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._index: Any = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
        self._mapped: Any = faiss.IndexIDMap(self._index)

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
        self._mapped.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
        self._ids = np.concatenate([self._ids, ids])

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> tuple[Scores, Ids]:
        """See VectorIndex.search."""
        places = None if allowed is None else positions_of(allowed, self._ids)
        count = len(self._ids) if places is None else len(places)
        if not count or not len(queries):
            return merge([], len(queries), k)
        queries = np.ascontiguousarray(queries, np.float32)
        if places is not None and count <= _GATHER_BELOW:
            candidates = [places] * len(queries)
        else:
            candidates = self._candidates(queries, k, count, places)
        found = [self._decide(query, near, k) for query, near in zip(queries, candidates, strict=True)]
        return np.stack([scores for scores, _ in found]), np.stack([hits for _, hits in found])

    def _decide(self, query: Vectors, places: Ids, k: int) -> tuple[Scores, Ids]:
        rows: Vectors = self._index.reconstruct_batch(places)
        return best(cosine(rows, query), self._ids[places], k)

    def _candidates(self, queries: Vectors, k: int, count: int, places: Ids | None) -> list[Ids]:
        """Places of every row that may be among the k best of each query.

        FAISS sorts by its own rounding. A row below its k-th score by more than the slack cannot be among the
        true k best, so a fetch that reaches one was wide enough; the other queries fetch four times as many.
        """
        selection = None if places is None else _selector(places, len(self._ids))
        near: list[Ids] = [np.empty(0, np.int64)] * len(queries)
        open_queries, fetch = np.arange(len(queries)), min(count, k + _SPARE)
        while len(open_queries):
            scores, found = self._index.search(queries[open_queries], fetch, params=selection)
            floor = scores[:, min(k, fetch) - 1] - SHORTLIST_SLACK
            done = (scores[:, -1] < floor) | (fetch == count)
            for row in np.flatnonzero(done):
                near[open_queries[row]] = found[row][scores[row] >= floor[row]]
            open_queries, fetch = open_queries[~done], min(count, fetch * 4)
        return near

    def write(self, sink: Sink) -> None:
        """FAISS's own format, an IndexIDMap that any FAISS tool opens. OSErrors of the sink pass through."""
        faiss.write_index(self._mapped, faiss.PyCallbackIOWriter(sink.write))

    @classmethod
    def read(cls, source: Source, dimension: int) -> "FaissIndex":
        """Restore what `write` wrote; ValueError if it is not that. Check its sha256 first."""
        try:
            mapped = faiss.read_index(faiss.PyCallbackIOReader(source.read))
        except RuntimeError as error:
            raise ValueError(f"not a FAISS index: {str(error).splitlines()[0]}") from error
        if not isinstance(mapped, faiss.IndexIDMap) or mapped.d != dimension:
            raise ValueError("a FAISS index of another kind or dimension")
        index = cls(dimension)
        index._ids = faiss.vector_to_array(mapped.id_map)
        index._mapped = mapped
        index._index = faiss.downcast_index(mapped.index)
        return index


def _selector(places: Ids, rows: int) -> object:
    mask = np.zeros(rows, bool)
    mask[places] = True
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little")))
