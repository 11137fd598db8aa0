"""What an index of exact vectors promises, whichever library does the work."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
StoredVectors = npt.NDArray[np.float16]
Mask = npt.NDArray[np.bool_]
Buffer = npt.NDArray[np.uint8]

Shortlist = tuple[Vectors, Ids]
"""Rough scores (n,) float32 and places (n,) of the rows that may be among the best for one query."""


class Sink(Protocol):
    """Where an index writes itself: every byte given is written, or an OSError is raised."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`; returns its length."""
        ...


class Source(Protocol):
    """Where something reads itself from."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...


class VectorIndex(Protocol):
    """Unit vectors with ascending integer ids. A row's place is its position in `ids`.

    It only proposes, by a fast and slightly inexact scan; `indexer.vectors.ranking` decides. Searches may run
    in several threads at once; `add` may not run beside them.
    """

    @property
    def ids(self) -> Ids:
        """The ids (rows,), ascending."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def add(self, ids: Ids, vectors: StoredVectors) -> None:
        """Append rows (n, dimension) whose ids ascend and exceed those present; ValueError otherwise."""
        ...

    def shortlist(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Shortlist]:
        """For each unit query, every allowed row that may be among the k best of this index.

        `allowed` (rows,) is True for the rows that count. Rough scores differ from the true ones by less than
        `scoring.ROUGHNESS`.
        """
        ...

    def vectors_at(self, places: Ids) -> Vectors:
        """The rows (n, dimension) at these places."""
        ...
