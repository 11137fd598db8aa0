"""Items as rows of the database: what is written for one, and nothing that could not be read back."""

import json
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from indexer.items import AttributeValue, EmbeddedItem, GalleryItem
from indexer.texts import storable

_NORM_TOLERANCE = 1e-2
_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def item_row(item: GalleryItem, added_at: str) -> tuple[str | None, ...]:
    """The columns of table `item` behind the id."""
    box = item.box
    return (
        storable(item.key),
        storable(item.uri),
        storable(item.source),
        _JSON.encode([box.left, box.top, box.right, box.bottom]) if box else None,
        _optional(item.camera),
        _optional(item.seen_at),
        _optional(item.track),
        _attributes(item.attributes) if item.attributes else "{}",
        added_at,
    )


def changed_attributes(stored: str, changes: Mapping[str, AttributeValue | None]) -> str:
    """Attributes as stored, with these set; None takes one away."""
    merged = json.loads(stored) | dict(changes)
    return _attributes({name: value for name, value in merged.items() if value is not None})


def stored_vectors(items: Sequence[EmbeddedItem], dimension: int) -> list[tuple[bytes, int]]:
    """Each vector as float16 bytes with their crc32; ValueError unless all are unit vectors (dimension,)."""
    if not items:
        return []
    for entry in items:
        if entry.vector.shape != (dimension,):
            raise ValueError(f"{entry.item.key}: a vector of shape {entry.vector.shape}, not ({dimension},)")
    matrix = np.stack([entry.vector for entry in items])
    wrong = np.flatnonzero(~(np.abs(np.linalg.norm(matrix, axis=1) - 1) < _NORM_TOLERANCE))
    if len(wrong):
        raise ValueError(f"{items[wrong[0]].item.key}: a vector that is not of unit length")
    data, size = matrix.astype("<f2").tobytes(), 2 * dimension
    values = [data[start : start + size] for start in range(0, len(data), size)]
    return [(value, zlib.crc32(value)) for value in values]


def _optional(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _attributes(attributes: Mapping[str, AttributeValue]) -> str:
    return storable(_JSON.encode(dict(attributes)))
