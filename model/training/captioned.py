"""Training on a data set on disk: shuffled captions or identities, the published augmentation.

Every random draw of a batch is made from the seed and the step for all its rows, and every row has a source
of randomness of its own, so that a process may decode only the rows it works on.
"""

from collections.abc import Sequence

import numpy as np
import torch

from model.config import EncoderConfig
from model.datasets import Sample
from model.datasets.identity_sampler import identity_order
from model.datasets.samples import read_image
from model.errors import DatasetError
from model.tokenizer import Tokenizer
from model.training.batches import WHOLE, Batch, Share, longest_caption, masked
from model.training.hard_captions import swapped_caption
from model.training.recipe import CaptionedData, Recipe
from model.transforms import TrainTransform


class CaptionedBatches:
    """Every epoch a new order of all captions; its last batch may be short, as in the published runs.

    With the identity sampler an epoch is as many whole batches as its first order fills. `parts` is the
    number of processes; a last batch with fewer rows than that, or with a single one, is left out.
    """

    def __init__(
        self, recipe: Recipe, samples: Sequence[Sample], config: EncoderConfig, parts: int = 1
    ) -> None:
        assert isinstance(recipe.data, CaptionedData)
        self.recipe, self.data, self.config = recipe, recipe.data, config
        self.samples = deal_wrongly(samples, recipe.data.wrong_captions, recipe.seed)
        self.captions = len(self.samples)
        self.identities: int | None = len({sample.identity for sample in self.samples})
        self.tokenizer = Tokenizer(config.backbone.text.context_length)
        self.swaps = any(loss.kind == "hard_captions" for loss in recipe.losses)
        self._kept: tuple[int, list[int]] | None = None
        self.batches_per_epoch = self._batches_per_epoch(parts)

    def batch(self, step: int, share: Share = WHOLE) -> Batch:
        """The batch of that step."""
        chosen = self._chosen(step)
        rng = np.random.default_rng([self.recipe.seed, 2, step])
        seeds = rng.integers(2**63, size=len(chosen)).tolist()
        rows = share.rows(len(chosen))
        captions = [self.samples[index].caption for index in chosen]
        ids = masked(self.tokenizer.encode(captions), self.recipe, rng)
        hard_ids, hard_known = self._swapped(captions, seeds, rng)
        own = list(zip(chosen, seeds, strict=True))[rows]
        return Batch(
            pixels=torch.stack([self._pixels(index, seed) for index, seed in own]),
            ids=ids[rows],
            identities=torch.tensor([self.samples[index].identity for index in chosen]),
            samples=torch.tensor(chosen),
            longest=longest_caption(ids, hard_ids),
            hard_ids=None if hard_ids is None else hard_ids[rows],
            hard_known=hard_known,
        )

    def _pixels(self, index: int, seed: int) -> torch.Tensor:
        transform = TrainTransform(
            self.config.backbone.vision.image_size,
            self.config.mean,
            self.config.std,
            self.data.augmentation,
            torch.Generator().manual_seed(seed),
        )
        return transform(read_image(self.samples[index].path))

    def _swapped(
        self, captions: Sequence[str], seeds: Sequence[int], rng: np.random.Generator
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The captions with one attribute word swapped as ids, and which could be; None if not asked for.

        Words are hidden in them as in the true ones, or hidden words would tell the two apart.
        """
        if not self.swaps:
            return None, None
        swapped = [
            swapped_caption(caption, np.random.default_rng([seed, 3]))
            for caption, seed in zip(captions, seeds, strict=True)
        ]
        told = [other or caption for other, caption in zip(swapped, captions, strict=True)]
        known = torch.tensor([other is not None for other in swapped])
        return masked(self.tokenizer.encode(told), self.recipe, rng), known

    def _chosen(self, step: int) -> list[int]:
        size = self.recipe.batch_size
        epoch, place = divmod(step, self.batches_per_epoch)
        order = self._order(epoch)
        start = place * size % len(order)
        return order[start : start + size]

    def _order(self, epoch: int) -> list[int]:
        """The captions of an epoch in order; the latest one asked for is kept."""
        if self._kept is None or self._kept[0] != epoch:
            self._kept = (epoch, self._new_order(epoch))
        return self._kept[1]

    def _new_order(self, epoch: int) -> list[int]:
        rng = np.random.default_rng([self.recipe.seed, 1, epoch])
        if self.data.sampler == "shuffle":
            return [int(index) for index in rng.permutation(self.captions)]
        order = identity_order(
            [sample.identity for sample in self.samples],
            self.recipe.batch_size,
            self.data.per_identity,
            int(rng.integers(2**32)),
        )
        if not order:
            raise DatasetError(
                f"{self.data.root} shows {self.identities} people, too few to fill a batch of "
                f"{self.recipe.batch_size} with {self.data.per_identity} captions each; lower batch_size."
            )
        return order

    def _batches_per_epoch(self, parts: int) -> int:
        size = self.recipe.batch_size
        if self.data.sampler == "identity":
            return max(len(self._order(0)) // size, 1)
        whole, rest = divmod(self.captions, size)
        batches = whole + (rest >= max(parts, 2))
        if not batches:
            raise DatasetError(
                f"{self.data.root} has {self.captions} training captions, too few to train on; add some."
            )
        return batches


def deal_wrongly(samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """The samples with that share of the captions passed on among images of other people.

    Each chosen caption goes to the next chosen sample in a random circle, unless both show one person.
    """
    dealt = list(samples)
    if not share:
        return dealt
    rng = np.random.default_rng([seed, 4])
    circle = rng.permutation(len(dealt))[: round(share * len(dealt))]
    for place, index in enumerate(circle):
        giver, taker = samples[circle[place - 1]], samples[index]
        if giver.identity != taker.identity:
            dealt[index] = Sample(
                taker.identity, taker.image_id, taker.path, giver.caption, taker.camera, taker.attributes
            )
    return dealt
