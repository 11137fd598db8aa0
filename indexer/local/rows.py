"""Items as rows of the database: what is written for one, and nothing that could not be read back."""

import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from indexer.items import AttributeValue, EmbeddedItem, GalleryItem
from indexer.local.checksums import checksum
from indexer.texts import storable

NORM_TOLERANCE = 1e-2
_UNCHANGED = 0
_SEPARATOR = ",\n"
_JSON = json.JSONEncoder(allow_nan=False)
_IN_LINES = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(_SEPARATOR, ": "))


def item_rows(items: Sequence[GalleryItem], added_at: str) -> list[tuple[str | None, ...]]:
    """For each item the columns of table `item` behind the id."""
    rows: list[tuple[str | None, ...]] = [
        (
            item.key,
            item.uri,
            item.source,
            _JSON.encode([box.left, box.top, box.right, box.bottom]) if (box := item.box) else None,
            item.camera,
            item.seen_at,
            item.track,
            attributes,
            added_at,
        )
        for item, attributes in zip(items, _attributes([item.attributes for item in items]), strict=True)
    ]
    if "".join(filter(None, chain.from_iterable(rows))).isascii():
        return rows
    return [tuple(text if text is None else storable(text) for text in row) for row in rows]


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
    (new,) = _attributes([{name: value for name, value in merged.items() if value is not None}])
    new = storable(new)
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


def _attributes(every: Sequence[Mapping[str, AttributeValue]]) -> list[str]:
    """Each of them as JSON, by one call for all, as calls are what takes time.

    Inside a text JSON writes the end of a line as `\\n`, so that one stands only where two values meet.
    """
    if not every:
        return []
    text = _IN_LINES.encode([dict(attributes) for attributes in every])
    inner = text[2:-2].split(f"}}{_SEPARATOR}{{")
    return [f"{{{one.replace(_SEPARATOR, ', ')}}}" for one in inner]
