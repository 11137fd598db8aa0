"""One plain FAISS index of half-precision rows, used the usual way: what benchmarks compare with."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss as untyped_faiss

from indexer.vectors.vector_index import Vectors

faiss: Any = untyped_faiss


class PlainIndex:
    """Every row in one index, in memory and in a file."""

    def __init__(self, dimension: int, file: Path, batches: Iterable[Vectors]) -> None:
        self._file = str(file)
        self._index = faiss.index_factory(dimension, "SQfp16", faiss.METRIC_INNER_PRODUCT)
        for vectors in batches:
            self._index.add(vectors)
        faiss.write_index(self._index, self._file)

    def search(self, query: Vectors, k: int) -> list[int]:
        """The k best rows of one query (dimension,), by their numbers."""
        _, found = self._index.search(query[None], k)
        return [int(row) for row in found[0]]

    def read(self) -> None:
        """Read the file as anyone would."""
        faiss.read_index(self._file)
