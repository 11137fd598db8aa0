"""What a vector index promises, whichever library does the work."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
StoredVectors = npt.NDArray[np.float16]


class Sink(Protocol):
    """Where an index writes itself: every byte given is written, or an OSError is raised."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`; returns its length."""
        ...


class Source(Protocol):
    """Where an index reads itself from."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...


class VectorIndex(Protocol):
    """Unit vectors with ascending integer ids, searched by cosine.

    Searches may run in several threads at once; `add` may not run beside them.
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

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> tuple[Scores, Ids]:
        """Scores and ids (queries, k) of the k best rows among the allowed ids (ascending; None: all).

        Best first, ties by lower id. Missing places hold -inf and -1.
        """
        ...

    def write(self, sink: Sink) -> None:
        """Write the index so that its kind's `read` restores it."""
        ...
