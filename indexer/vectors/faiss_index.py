"""A FAISS index on the CPU: half-precision rows, all scanned, filtered by an id selector inside the scan."""

from typing import Any

import faiss as untyped_faiss
import numpy as np

from indexer.vectors.scoring import SHORTLIST_SLACK, check_ascending
from indexer.vectors.vector_index import Buffer, Ids, Mask, Shortlist, Sink, StoredVectors, Vectors

faiss: Any = untyped_faiss  # its annotations describe the C++ calls, not the Python ones
VERSION: str = faiss.__version__

_FACTORY = "SQfp16"
_SPARE = 16
"""Candidates fetched beyond k; a tie that reaches further fetches more."""

_GATHER_BELOW = 256
"""So few allowed rows are scored directly instead of scanning past all the others."""


class FaissIndex:
    """Half-precision rows in FAISS.

    `_mapped` is what is stored on disk (places and ids), `_index` the rows inside it, owned by it; searches
    go to `_index`, where a row's place is its place in `ids`.
    """

    def __init__(self, dimension: int) -> None:
        self._ids: Ids = np.empty(0, np.int64)
        self._index: Any = faiss.index_factory(dimension, _FACTORY, faiss.METRIC_INNER_PRODUCT)
        self._mapped: Any = faiss.IndexIDMap(self._index)
        self._buffer: Buffer | None = None

    @property
    def ids(self) -> Ids:
        """The ids (rows,), ascending."""
        return self._ids

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._ids)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    def add(self, ids: Ids, vectors: StoredVectors) -> None:
        """Append rows; ValueError if the ids do not ascend, or where the rows are those of a file."""
        if self._buffer is not None:
            raise ValueError("an index that was read from a file takes no further rows")
        check_ascending(self._ids, ids)
        self._mapped.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
        self._ids = np.concatenate([self._ids, ids])

    def shortlist(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Shortlist]:
        """See VectorIndex.shortlist."""
        count = len(self._ids) if allowed is None else int(np.count_nonzero(allowed))
        if not count:
            return [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
        if allowed is not None and count <= _GATHER_BELOW:
            places = np.flatnonzero(allowed)
            rows = self.vectors_at(places)
            return [(rows @ query, places) for query in queries]
        return self._scan(queries, k, count, allowed)

    def _scan(self, queries: Vectors, k: int, count: int, allowed: Mask | None) -> list[Shortlist]:
        """FAISS sorts by its own rounding. A row below its k-th score by more than the slack cannot be among
        the true k best, so a fetch that reaches one was wide enough; the others fetch four times as many.
        """
        selection = None if allowed is None else _selector(allowed)
        lists: list[Shortlist] = [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
        open_queries, fetch = np.arange(len(queries)), min(count, k + _SPARE)
        while len(open_queries):
            scores, found = self._index.search(queries[open_queries], fetch, params=selection)
            floor = scores[:, min(k, fetch) - 1] - SHORTLIST_SLACK
            done = (scores[:, -1] < floor) | (fetch == count)
            for row in np.flatnonzero(done):
                near = scores[row] >= floor[row]
                lists[open_queries[row]] = scores[row][near], found[row][near]
            open_queries, fetch = open_queries[~done], min(count, fetch * 4)
        return lists

    def vectors_at(self, places: Ids) -> Vectors:
        """The rows at these places."""
        rows: Vectors = self._index.reconstruct_batch(places)
        return rows

    def write(self, sink: Sink) -> None:
        """FAISS's own format, an IndexIDMap that any FAISS tool opens. OSErrors of the sink pass through."""
        faiss.write_index(self._mapped, faiss.PyCallbackIOWriter(sink.write))

    @classmethod
    def read(cls, buffer: Buffer, dimension: int) -> "FaissIndex":
        """The index that `write` wrote, on top of its bytes, which are not copied. Check their sha256 first.

        ValueError if it is not that.
        """
        try:
            reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(buffer), buffer.nbytes)
            mapped = faiss.read_index(reader, faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ValueError(f"not a FAISS index: {str(error).splitlines()[0]}") from error
        if not isinstance(mapped, faiss.IndexIDMap) or mapped.d != dimension:
            raise ValueError("a FAISS index of another kind or dimension")
        rows = faiss.downcast_index(mapped.index)
        if not isinstance(rows, faiss.IndexScalarQuantizer) or rows.sa_code_size() != 2 * dimension:
            raise ValueError("a FAISS index that does not hold half-precision rows")
        index = cls(dimension)
        index._ids = faiss.vector_to_array(mapped.id_map)
        index._mapped, index._index, index._buffer = mapped, rows, buffer
        return index


def _selector(allowed: Mask) -> object:
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little")))
