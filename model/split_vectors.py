"""A split of a data set as an encoder sees it: one vector per caption and one per image."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.datasets.samples import Sample, read_image
from model.errors import CheckpointError
from model.progress import Progress

Pixels = torch.Tensor | NDArray[np.uint8]
AHEAD = 3
"""Batches of images decoded ahead of the encoder."""


class SplitEncoder(Protocol):
    """What an evaluation needs of an encoder; `model.embedder.Embedder` fits."""

    @property
    def preprocess(self) -> Callable[[NDArray[np.uint8]], Pixels]:
        """Turns a picture into pixels, each time in the same shape; called in worker threads."""

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Sentences -> (n, dimension) unit vectors."""

    def embed_pixels(self, pixels: torch.Tensor) -> NDArray[np.float32]:
        """Stacked pixels, (n, ...) -> (n, dimension) unit vectors."""


@dataclass(frozen=True)
class SplitVectors:
    """Unit vectors `texts` (captions, dimension) and `images` (images, dimension) with what they stand for.

    `samples` holds one sample per caption, `shown` one per image, both in file order.
    """

    samples: tuple[Sample, ...]
    shown: tuple[Sample, ...]
    texts: NDArray[np.float32]
    images: NDArray[np.float32]

    @property
    def caption_ids(self) -> list[int]:
        """The identity each caption asks for."""
        return [sample.identity for sample in self.samples]

    @property
    def image_ids(self) -> list[int]:
        """The identity each image shows."""
        return [sample.identity for sample in self.shown]


def embed_split(
    encoder: SplitEncoder, samples: Sequence[Sample], batch_size: int = 64, workers: int = 4
) -> SplitVectors:
    """Embed every caption, and every image once.

    Images are decoded and resized by `workers` threads. Raises DatasetError naming an unreadable image,
    CheckpointError for an encoder whose vectors are no numbers, ValueError where there are no samples.
    """
    if not samples:
        raise ValueError("a split without samples cannot be embedded")
    shown = tuple({sample.image_id: sample for sample in samples}.values())
    texts, images = [], []
    with Progress("captions", len(samples)) as progress:
        for start in range(0, len(samples), batch_size):
            captions = [sample.caption for sample in samples[start : start + batch_size]]
            texts.append(encoder.embed_texts(captions))
            progress.advance(len(captions))
    with Progress("images", len(shown)) as progress:
        for pixels in _pixel_batches(encoder.preprocess, shown, batch_size, workers):
            images.append(encoder.embed_pixels(pixels))
            progress.advance(len(pixels))
    return SplitVectors(tuple(samples), shown, finite(np.concatenate(texts)), finite(np.concatenate(images)))


def finite(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same vectors. Raises CheckpointError where they are no numbers."""
    if not np.isfinite(vectors).all():
        raise CheckpointError(
            "The encoder gives vectors that are no numbers: its weights are damaged, or too large for the "
            "precision; take another encoder or precision."
        )
    return vectors


def _pixel_batches(
    preprocess: Callable[[NDArray[np.uint8]], Pixels],
    samples: Sequence[Sample],
    batch_size: int,
    workers: int,
) -> Iterator[torch.Tensor]:
    """Pixels (up to batch_size, ...) in order, at most AHEAD batches in memory."""

    def prepare(path: Path) -> torch.Tensor:
        return torch.as_tensor(preprocess(read_image(path)))

    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[Future[torch.Tensor]] = deque()
        try:
            for sample in samples:
                waiting.append(pool.submit(prepare, sample.path))
                if len(waiting) == AHEAD * batch_size:
                    yield torch.stack([waiting.popleft().result() for _ in range(batch_size)])
            while waiting:
                yield torch.stack([waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))])
        finally:
            for future in waiting:
                future.cancel()
