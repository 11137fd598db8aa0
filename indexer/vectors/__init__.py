"""The registry of index kinds. Whatever the kind, vectors are kept exactly; an approximate one only proposes.

A kind is one of these words, or any FAISS factory string (`IVF4096,SQ8`).
"""

import math
from collections.abc import Callable

AUTO = "auto"
EXACT = "exact"

EXACT_BYTES = 2_000_000_000
"""`auto` scans up to so many bytes of half-precision vectors; beyond, it takes `ivf`."""

KINDS: dict[str, Callable[[int, int], str | None]] = {
    AUTO: lambda rows, dimension: None if 2 * rows * dimension <= EXACT_BYTES else _inverted_lists(rows),
    EXACT: lambda rows, dimension: None,
    "ivf": lambda rows, dimension: _inverted_lists(rows),
    "hnsw": lambda rows, dimension: "HNSW32,SQ8",
    "quantised": lambda rows, dimension: f"PQ{_quarter(dimension)}x4fs",
}
"""Word -> the factory string of the approximate index for so many rows of that dimension; None: none."""

LEAST_ROWS = 10_000
"""With fewer rows an approximate index is worth nothing: a scan is as quick."""


def factory_of(kind: str, rows: int, dimension: int) -> str | None:
    """The FAISS factory string of a kind for so many rows; None where rows are scanned."""
    if rows < LEAST_ROWS:
        return None
    return KINDS[kind](rows, dimension) if kind in KINDS else kind


def _inverted_lists(rows: int) -> str:
    lists = 2 ** round(math.log2(4 * math.sqrt(max(rows, 1))))
    return f"IVF{lists},SQ8"


def _quarter(dimension: int) -> int:
    """Parts of a product quantiser: four numbers each where that divides the dimension, else fewer parts."""
    return next(parts for parts in range(max(dimension // 4, 1), 0, -1) if dimension % parts == 0)
