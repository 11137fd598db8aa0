"""The gallery: where embedded person images are kept and searched.

`open_gallery` is the only way in; the engine behind it is chosen by the address.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.items import EmbeddedItem, Filter, GalleryItem, GalleryStats, Hit, Rejected


class Gallery(Protocol):
    """Many readers, one writer, one encoder. Everything acknowledged is durable and found by the next search."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the encoder whose vectors are stored."""
        ...

    @property
    def encoder(self) -> str:
        """Name under which that encoder was given (`demo`, a folder, `openclip:...`)."""
        ...

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        ...

    def __len__(self) -> int:
        """Number of items that can be found."""
        ...

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored already, as items or as rejected."""
        ...

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        """Store one batch in one durable transaction; returns how many items were new."""
        ...

    def search(self, vectors: npt.NDArray[np.float32], k: int, where: Filter | None = None) -> list[list[Hit]]:
        """The k nearest allowed rows of each unit vector (queries, dimension), best first; ties by lower id."""
        ...

    def get(self, id: int) -> GalleryItem | None:
        """The facts of one row, or None."""
        ...

    def thumbnail(self, id: int) -> bytes | None:
        """The stored JPEG of one row, or None."""
        ...

    def rejected(self, limit: int = 100) -> list[Rejected]:
        """The most recent items that could not be used."""
        ...

    def build_generation(self) -> None:
        """Write a new index file over all rows; searches move to it."""
        ...

    def refresh(self) -> bool:
        """Take up what other processes committed since; True if anything changed. Cheap; call it each second."""
        ...

    def stats(self) -> GalleryStats:
        """Counts and facts for people."""
        ...

    def verify(self) -> list[str]:
        """Every inconsistency found, one sentence each; empty when the gallery is sound."""
        ...

    def close(self) -> None:
        """Release files and locks."""
        ...
