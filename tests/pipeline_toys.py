"""Small pictures, and runs of the pipeline over them."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from mean_colour import MeanColour

from indexer.items import GalleryItem, RawImage, Rejected
from indexer.pipeline import EmbeddedBatch, embed_batches


def colour_of(number: int) -> tuple[int, int, int]:
    return 20 + 7 * number % 230, 20 + 31 * number % 230, 20 + 53 * number % 230


def raw(number: int) -> RawImage:
    item = GalleryItem(key=f"k{number}", uri=f"u{number}", source="toy:")
    return RawImage(item, np.full((24, 12, 3), colour_of(number), np.uint8))


def bad(number: int) -> RawImage:
    return RawImage(GalleryItem(key=f"k{number}", uri=f"u{number}", source="toy:"), b"no picture")


def nothing_known(keys: Sequence[str]) -> set[str]:
    return set()


def run(source: Iterable[RawImage | Rejected], embedder: MeanColour, **options: int) -> list[EmbeddedBatch]:
    return list(embed_batches(source, embedder, skip=nothing_known, **options))


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cskt-")]
