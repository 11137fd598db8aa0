"""The registry of index kinds. Whatever the kind, vectors are kept exactly; an approximate one only proposes.

A kind is one of these words, or any FAISS factory string (`IVF4096,SQ8`).
"""

import math
from collections.abc import Callable

AUTO = "auto"
EXACT = "exact"

EXACT_BYTES = 1_100_000_000
"""`auto` scans up to so many bytes of half-precision vectors: a million of 512 numbers. Beyond, it takes
`quantised`, which is made as quickly as a scan and finds nearly everything; beyond ten times as many, `ivf`.
"""

KINDS: dict[str, Callable[[int, int], str | None]] = {
    AUTO: lambda rows, dimension: _by_size(rows, dimension),
    EXACT: lambda rows, dimension: None,
    "ivf": lambda rows, dimension: _inverted_lists(rows, dimension),
    "hnsw": lambda rows, dimension: "HNSW32,SQ8",
    "quantised": lambda rows, dimension: _quantised(dimension),
}
"""Word -> the factory string of the approximate index for so many rows of that dimension; None: none."""

LEAST_ROWS = 10_000
"""With fewer rows an approximate index is worth nothing: a scan is as quick."""


def factory_of(kind: str, rows: int, dimension: int) -> str | None:
    """The FAISS factory string of a kind for so many rows; None where rows are scanned."""
    if rows < LEAST_ROWS:
        return None
    return KINDS[kind](rows, dimension) if kind in KINDS else kind


def _by_size(rows: int, dimension: int) -> str | None:
    size = 2 * rows * dimension
    if size <= EXACT_BYTES:
        return None
    return _quantised(dimension) if size <= 10 * EXACT_BYTES else _inverted_lists(rows, dimension)


def _inverted_lists(rows: int, dimension: int) -> str:
    lists = 2 ** round(math.log2(4 * math.sqrt(max(rows, 1))))
    return f"IVF{lists},{_quantised(dimension)}"


def _quantised(dimension: int) -> str:
    """A product quantiser of four bits for four numbers each; for fewer parts where four do not divide."""
    parts = next(parts for parts in range(max(dimension // 4, 1), 0, -1) if dimension % parts == 0)
    return f"PQ{parts}x4fs"
