"""Items as rows of the database: what is written for one, and nothing that could not be read back."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from indexer.items import AttributeValue, EmbeddedItem, GalleryItem
from indexer.local.checksums import checksum
from indexer.texts import storable

NORM_TOLERANCE = 1e-2
_UNCHANGED = 0
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


def stored_row(id: int, row: Sequence[str | None], thumbnail: bytes) -> tuple[int | str | None, ...]:
    """All columns of table `item` for a new item: `row` with its id, and the checksums of both."""
    facts = (id, *row, _UNCHANGED)
    return (*facts, checksum(facts), zlib.crc32(thumbnail) if thumbnail else None)


def changed_facts(
    row: Sequence[Any], changes: Mapping[str, AttributeValue | None], count: int
) -> tuple[str, int, int, int]:
    """A stored row with these attributes set, None takes one away: attributes, count, checksum; and the id.

    `count`: how often facts of the gallery have changed with this.
    """
    *facts, attributes, added_at, _, _ = row
    merged = json.loads(attributes) | dict(changes)
    new = _attributes({name: value for name, value in merged.items() if value is not None})
    return new, count, checksum((*facts, new, added_at, count)), row[0]


def stored_vectors(items: Sequence[EmbeddedItem], dimension: int) -> list[tuple[bytes, int]]:
    """Each vector as float16 bytes with their crc32; ValueError unless all are unit vectors (dimension,)."""
    import torch

    if not items:
        return []
    for entry in items:
        if entry.vector.shape != (dimension,):
            raise ValueError(f"{entry.item.key}: a vector of shape {entry.vector.shape}, not ({dimension},)")
    matrix = np.concatenate([entry.vector for entry in items]).reshape(len(items), dimension)
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    wrong = np.flatnonzero(~(np.abs(norms - 1) < NORM_TOLERANCE))
    if len(wrong):
        raise ValueError(f"{items[wrong[0]].item.key}: a vector that is not of unit length")
    data, size = torch.from_numpy(matrix).half().numpy().tobytes(), 2 * dimension  # thrice as fast as numpy
    values = [data[start : start + size] for start in range(0, len(data), size)]
    return [(value, zlib.crc32(value)) for value in values]


def _optional(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _attributes(attributes: Mapping[str, AttributeValue]) -> str:
    return storable(_JSON.encode(dict(attributes)))
