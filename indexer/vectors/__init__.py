"""The registry of vector indexes. A new kind is one entry here; the contract tests then run on it.

All kinds here are exact: their ranking equals brute force over the stored half-precision vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from indexer.vectors import faiss_index
from indexer.vectors.exact import ExactIndex
from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.vector_index import Source, VectorIndex


@dataclass(frozen=True)
class IndexKind:
    """How to make an empty index of a dimension, how to read one back, and which library wrote it."""

    create: Callable[[int], VectorIndex]
    read: Callable[[Source, int], VectorIndex]
    library: str


KINDS: dict[str, IndexKind] = {
    "exact": IndexKind(FaissIndex, FaissIndex.read, f"faiss {faiss_index.VERSION}"),
    "numpy": IndexKind(ExactIndex, ExactIndex.read, f"numpy {numpy.__version__}"),
}

DEFAULT_KIND = "exact"
