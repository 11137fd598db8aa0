"""What a gallery holds and what a search returns: plain facts, no behaviour.

Times are ISO 8601 strings in UTC (`2026-05-01T12:00:00.000Z`), so that text order is time order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

AttributeValue = str | int | float | bool


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the source picture: left, top (inclusive), right, bottom (exclusive)."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class GalleryItem:
    """One person image as stored facts. `key` is unique in its gallery: adding it again adds nothing."""

    key: str
    uri: str
    source: str
    box: Box | None = None
    camera: str | None = None
    seen_at: str | None = None
    track: str | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True)
class RawImage:
    """An item with its encoded bytes (JPEG, PNG, WebP) or decoded RGB pixels (height, width, 3) uint8."""

    item: GalleryItem
    data: bytes | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class EmbeddedItem:
    """An item ready to be stored: unit vector (dimension,) float32 and a small JPEG of the crop."""

    item: GalleryItem
    vector: npt.NDArray[np.float32]
    thumbnail: bytes


@dataclass(frozen=True)
class Rejected:
    """An item that could not be used; `reason` is one sentence. Data, never a print."""

    key: str
    uri: str
    source: str
    reason: str


@dataclass(frozen=True)
class Hit:
    """One row of a ranking. `id` is the gallery's stable integer id; `score` the cosine in [-1, 1]."""

    id: int
    score: float
    item: GalleryItem


@dataclass(frozen=True)
class GalleryStats:
    """What a gallery holds, for people and for `/v1/gallery`."""

    items: int
    rejected: int
    dimension: int
    encoder: str
    fingerprint: str
    generation: int | None
    indexed_in_generation: int
    fresh: int
    index_kind: str
    index: str
    sources: Mapping[str, int]
    cameras: Mapping[str, int]
    first_seen: str | None
    last_seen: str | None
    bytes_on_disk: int
