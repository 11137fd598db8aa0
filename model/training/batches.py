"""What a training step consumes, and how batches are made ahead of it in worker processes.

A batch is a function of the seed and the step alone, so a resumed run sees what an uninterrupted one would,
and so does a run of several processes, each of which makes only its own rows.
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
class Share:
    """Which rows of every batch a process works on: those of `part` out of `parts`."""

    part: int = 0
    parts: int = 1

    def rows(self, size: int) -> slice:
        """The rows of a batch of `size`; all parts together cover it, in order."""
        return slice(self.part * size // self.parts, (self.part + 1) * size // self.parts)


WHOLE = Share()


@dataclass(frozen=True)
class Batch:
    """`pixels`, `ids` and `hard_ids` hold this process's rows only; everything else the whole batch.

    `pixels` (rows, 3, height, width): uint8, or float32 where they are normalised already. `ids` (rows,
    context); `hard_ids` the same captions with one attribute word swapped. `identities` and `samples`
    (batch,): whom a row shows, and which training caption it is. `hard_known` (batch,) bool: which rows could
    be swapped. `longest` is the number of tokens of the whole batch's longest caption.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    identities: torch.Tensor
    samples: torch.Tensor
    longest: int
    attributes: AttributeLabels | None = None
    hard_ids: torch.Tensor | None = None
    hard_known: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device; the captions' numbers stay where they are."""
        labels = self.attributes
        return Batch(
            pixels=self.pixels.to(device),
            ids=self.ids.to(device),
            identities=self.identities.to(device),
            samples=self.samples,
            longest=self.longest,
            attributes=labels and AttributeLabels(labels.image.to(device), labels.text.to(device)),
            hard_ids=None if self.hard_ids is None else self.hard_ids.to(device),
            hard_known=None if self.hard_known is None else self.hard_known.to(device),
        )


class BatchSource(Protocol):
    """Makes the batch of any step, in any process."""

    @property
    def identities(self) -> int | None:
        """Number of training identities, or None where every picture shows a new person."""
        ...

    @property
    def captions(self) -> int:
        """Number of training captions; `Batch.samples` are numbers below it."""
        ...

    @property
    def batches_per_epoch(self) -> int:
        """Steps that make up one pass over the data."""
        ...

    def batch(self, step: int, share: Share = WHOLE) -> Batch:
        """The batch of that step; the same for the same step."""
        ...


class _Steps(Dataset[Batch]):
    def __init__(self, source: BatchSource, first: int, last: int, share: Share) -> None:
        self.source, self.first, self.last, self.share = source, first, last, share

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Batch:
        return self.source.batch(self.first + index, self.share)


def prefetched(
    source: BatchSource, first: int, last: int, workers: int, share: Share = WHOLE
) -> Iterator[Batch]:
    """Batches of the steps first .. last - 1 in order, made by `workers` processes (0: in this one)."""
    loader = DataLoader(
        _Steps(source, first, last, share),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    yield from loader


def longest_caption(*captions: torch.Tensor | None) -> int:
    """Tokens of the longest row, start and end included; each (batch, context), or None."""
    return max(int(ids.argmax(dim=1).max()) + 1 for ids in captions if ids is not None)


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
