"""The gallery: where embedded person images are kept and searched.

`open_gallery` is the only way in; the engine behind it is chosen by the address.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.errors import FingerprintMismatch, GalleryError, GalleryMissing
from indexer.filters import Filter
from indexer.items import (
    AttributeValue,
    EmbeddedItem,
    GalleryItem,
    GalleryStats,
    Hit,
    Overdue,
    Rejected,
)
from indexer.timeline import Timeline


class Gallery(Protocol):
    """Many readers, one writer, one encoder. What was acknowledged is durable and can be found."""

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
        """Those of the keys that are stored already or were removed for good; rejected ones come anew."""
        ...

    def removed_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys whose items were removed for good."""
        ...

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        """Store one batch in one durable transaction; returns how many items were new."""
        ...

    def update(self, key: str, attributes: Mapping[str, AttributeValue | None]) -> bool:
        """Set attributes of one item, None takes one away; returns whether the item is there."""
        ...

    def remove(self, keys: Sequence[str], *, erase: bool = False) -> int:
        """Remove items for good, never to be indexed again; returns how many there were.

        `erase`: when it returns, nothing of them, or of anyone removed before, is left in the gallery but a
        hash of each key.
        """
        ...

    def remove_ids(self, ids: Sequence[int], *, erase: bool = False) -> int:
        """The same by ids."""
        ...

    def ids(self, where: Filter | None = None) -> npt.NDArray[np.int64]:
        """The ids of the items that a filter lets through, ascending."""
        ...

    def count(self, where: Filter) -> int:
        """How many items a filter lets through; cheap where it was searched with just now."""
        ...

    def attributes(self, where: Filter | None = None) -> set[str]:
        """The names of the attributes that items have which a filter lets through; reads no item."""
        ...

    def ids_of(self, keys: Sequence[str]) -> list[int]:
        """The ids of the items with these keys; of those that are not there none."""
        ...

    def search(
        self, vectors: npt.NDArray[np.float32], k: int, where: Filter | None = None
    ) -> list[list[Hit]]:
        """The k nearest allowed rows of each unit vector (queries, dimension): best first, ties by id.

        GalleryCorrupt if what is stored of one of them is damaged; `get` and `thumbnail` too.
        """
        ...

    def get(self, id: int) -> GalleryItem | None:
        """The facts of one row, or None."""
        ...

    def vector(self, id: int) -> npt.NDArray[np.float32] | None:
        """The stored unit vector of one row (dimension,), or None."""
        ...

    def thumbnail(self, id: int) -> bytes | None:
        """The stored JPEG of one row, or None."""
        ...

    def rejected(self, limit: int = 100) -> list[Rejected]:
        """The most recent items that could not be used."""
        ...

    def build_generation(self) -> None:
        """Bring the index files up to date: all rows, no removed ones; searches move to them."""
        ...

    def use_kind(self, kind: str) -> None:
        """Search by another kind of index (see indexer.vectors.KINDS) from the next build on."""
        ...

    def compact(self) -> None:
        """The same, and give the space of what was removed back to the disk."""
        ...

    def refresh(self) -> bool:
        """Take up what was committed since; True if anything changed. Cheap: call it each second."""
        ...

    def passages(self) -> int:
        """How many passages (see indexer.grouping) there are by track; a crop without one is one.

        Reads the facts of every item.
        """
        ...

    def timeline(self, most: int, where: Filter | None = None) -> Timeline:
        """When the items that a filter lets through were seen, in at most so many steps."""
        ...

    def fresh(self) -> int:
        """How many items no index file covers yet; cheap, whatever the gallery holds."""
        ...

    def retention(self) -> dict[str, int]:
        """How many seconds items are kept (0: without limit), by camera; '' stands for all others."""
        ...

    def set_retention(self, camera: str, seconds: int | None) -> None:
        """Make the rule for a camera, or for all others (''); None takes it away."""
        ...

    def overdue(self, now: datetime) -> list[Overdue]:
        """The items that are kept longer than the rules allow, by camera."""
        ...

    def newest(self) -> str | None:
        """When the last item was added (ISO 8601 in UTC)."""
        ...

    def stats(self) -> GalleryStats:
        """Counts and facts for people. Reads the facts of every item."""
        ...

    def verify(self) -> list[str]:
        """Every inconsistency found, one sentence each; empty when the gallery is sound."""
        ...

    def close(self) -> None:
        """Release files and locks."""
        ...


DEFAULT_KIND = "auto"
Create = tuple[str, str, int]
"""Name, fingerprint and dimension of the encoder a new gallery is for."""


@dataclass(frozen=True)
class Opening:
    """How a gallery is to be opened; see `open_gallery`."""

    create_for: Create | None
    write: bool
    kind: str
    device: str


def open_gallery(
    address: str | Path,
    *,
    create_for: Create | None = None,
    write: bool = False,
    kind: str = DEFAULT_KIND,
    device: str = "cpu",
) -> Gallery:
    """Open the gallery at a folder (or `local:FOLDER`).

    `write` takes the writer's lock until `close`. `create_for`, only with `write`, makes the gallery where
    there is none, with this kind of index (see indexer.vectors.KINDS); where there is one, it must have been
    made by that encoder (FingerprintMismatch). Without it, a missing gallery is GalleryMissing. `device` is
    where rows are scanned: `cpu`, `auto` (every GPU there is, else the CPU), or a device of torch. Further:
    GalleryCorrupt, GalleryBusy, GalleryFull, GalleryError.
    """
    if create_for is not None and not write:
        raise ValueError("a gallery can only be created for writing")
    scheme, rest = _parsed(address)
    opening = Opening(create_for, write, kind, device)
    gallery = ENGINES[scheme](rest, opening)
    if create_for is not None:
        try:
            check_encoder(gallery, create_for[0], create_for[1])
        except FingerprintMismatch:
            gallery.close()
            raise
    return gallery


def _parsed(address: str | Path) -> tuple[str, str]:
    """The engine's name and what comes behind it; GalleryError if there is no such engine."""
    scheme, colon, rest = str(address).partition(":")
    if not colon or scheme not in ENGINES:
        scheme, rest = "local", str(address)
    if "://" in rest:
        raise GalleryError(
            f"unknown kind of gallery {address}: give a folder, or one of {', '.join(ENGINES)}:ADDRESS."
        )
    return scheme, rest


def local_folder(address: str | Path) -> Path:
    """The folder of a gallery that is kept in one; GalleryError for any other."""
    scheme, rest = _parsed(address)
    if scheme != "local" or not rest:
        raise GalleryError(f"{address} is no folder of a gallery.")
    return Path(rest)


def check_encoder(gallery: Gallery, encoder: str, fingerprint: str) -> None:
    """FingerprintMismatch, naming both, unless the gallery was made by the encoder with this fingerprint."""
    if gallery.fingerprint != fingerprint:
        raise FingerprintMismatch(
            f"the gallery was made by the encoder {gallery.encoder} ({gallery.fingerprint[:12]}), not by "
            f"{encoder} ({fingerprint[:12]}): use that encoder, or index into a new gallery."
        )


def _open_local(address: str, how: Opening) -> Gallery:
    from indexer.local.gallery import LocalGallery
    from indexer.local.store import Identity

    if not address:
        raise GalleryMissing("no gallery was named: give its folder.")
    create = Identity(*how.create_for, how.kind) if how.create_for else None
    return LocalGallery(Path(address), create, how.write, _devices(how.device))


def _devices(wanted: str) -> Sequence[str]:
    if wanted == "cpu":  # without loading torch
        return ()
    from indexer.vectors.device_index import devices_for

    try:
        return devices_for(wanted)
    except ValueError as error:
        raise GalleryError(f"{error}: take auto, cpu, cuda or cuda:N.") from error


ENGINES: dict[str, Callable[[str, Opening], Gallery]] = {"local": _open_local}
