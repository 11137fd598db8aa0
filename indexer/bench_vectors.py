"""Synthetic vectors for benchmarks: twenty to a person, in 64 directions of 512 numbers, with noise.

Queries lie near persons. Everything is the same each time.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.items import EmbeddedItem, GalleryItem

DIMENSION, BATCH = 512, 4096
_LATENT, _EACH, _SEED = 64, 20, 3
Vectors = npt.NDArray[np.float32]


def vectors_of(rows: int) -> Iterator[Vectors]:
    """Synthetic unit vectors, a batch at a time; the same ones each time."""
    for start in range(0, rows, BATCH):
        people, rng = _people(start // BATCH), np.random.default_rng([_SEED, start])
        noise = 0.5 * rng.standard_normal((len(people) * _EACH, _LATENT), dtype=np.float32)
        yield _spread(np.repeat(people, _EACH, axis=0)[:BATCH] + noise[:BATCH], rng)[: rows - start]


def written_vectors(file: Path, count: int) -> Vectors:
    """The synthetic vectors (count, dimension) in a file, so that making them is no part of any figure."""
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (count, DIMENSION))
    start = 0
    for vectors in vectors_of(count):
        rows[start : start + len(vectors)] = vectors
        start += len(vectors)
    return rows


def in_batches(rows: Vectors) -> Iterator[Vectors]:
    """The rows as galleries are given them."""
    for start in range(0, len(rows), BATCH):
        yield np.array(rows[start : start + BATCH])


def queries_of(rows: int, count: int) -> Vectors:
    """Unit vectors near some of the persons."""
    rng = np.random.default_rng(_SEED + 1)
    batches = rng.integers(0, max(1, rows // BATCH), count)
    people = np.stack([_people(int(batch))[rng.integers(0, 40)] for batch in batches])
    return _spread(people + 0.7 * rng.standard_normal(people.shape, dtype=np.float32), rng)


def _people(batch: int) -> Vectors:
    count = -(-BATCH // _EACH)
    return np.random.default_rng([_SEED, 7, batch]).standard_normal((count, _LATENT), dtype=np.float32)


def _spread(latent: Vectors, rng: np.random.Generator) -> Vectors:
    basis = np.random.default_rng(_SEED).standard_normal((_LATENT, DIMENSION), dtype=np.float32) / 8
    rows = latent @ basis + 0.35 * rng.standard_normal((len(latent), DIMENSION), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows, np.float32)


def items_of(start: int, vectors: Vectors) -> list[EmbeddedItem]:
    """The vectors as items with the usual facts; no thumbnails."""
    return [EmbeddedItem(_item(start + place), vector, b"") for place, vector in enumerate(vectors)]


def _item(number: int) -> GalleryItem:
    seconds = number % 86_400
    return GalleryItem(
        key=f"/people/{number:08d}.jpg",
        uri=f"/people/{number:08d}.jpg",
        source="manifest:/people/people.csv",
        camera=f"camera-{number % 20}",
        seen_at=f"2026-05-01T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.000Z",
        track=f"track-{number // 5}",
        attributes={"coat": ("red", "blue", "black")[number % 3], "bag": number % 2 == 0, "number": number},
    )
