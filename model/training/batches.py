"""What a training step consumes, and how batches are made ahead of it in worker processes.

A batch is a function of the seed and the step alone, so a resumed run sees what an uninterrupted one would.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from model.losses import AttributeLabels
from model.text_mask import MASK_ID, mask_tokens
from model.training.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """`ids` (batch, 77); `identities` (batch,).

    `pixels` (batch, 3, height, width): uint8, or float32 where they are normalised already.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    identities: torch.Tensor
    attributes: AttributeLabels | None = None


class BatchSource(Protocol):
    """Makes the batch of any step, in any process."""

    @property
    def identities(self) -> int | None:
        """Number of training identities, or None where every picture shows a new person."""
        ...

    def batch(self, step: int) -> Batch:
        """The batch of that step; the same for the same step."""
        ...


class _Steps(Dataset[Batch]):
    def __init__(self, source: BatchSource, first: int, last: int) -> None:
        self.source, self.first, self.last = source, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Batch:
        return self.source.batch(self.first + index)


def prefetched(source: BatchSource, first: int, last: int, workers: int) -> Iterator[Batch]:
    """Batches of the steps first .. last - 1 in order, made by `workers` processes (0: in this one)."""
    loader = DataLoader(
        _Steps(source, first, last),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    yield from loader


def masked(ids: torch.Tensor, recipe: Recipe, rng: np.random.Generator) -> torch.Tensor:
    """Captions (batch, 77) with words hidden as the recipe says; a new tensor."""
    if recipe.published_text_mask:
        source = random.Random(int(rng.integers(2**63)))
        ids = torch.stack([mask_tokens(caption, source)[0] for caption in ids])
    if recipe.hidden_words:
        words = (ids > 0) & (ids < MASK_ID)
        chosen = torch.from_numpy(rng.random(tuple(ids.shape)) < recipe.hidden_words)
        ids = ids.masked_fill(words & chosen, MASK_ID)
    return ids
