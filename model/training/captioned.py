"""Training on a data set on disk: shuffled captions, the published augmentation, images decoded ahead."""

from collections.abc import Sequence

import numpy as np
import torch

from model.config import EncoderConfig
from model.datasets import load_split
from model.datasets.samples import SPLITS, Sample, read_image
from model.errors import DatasetError
from model.tokenizer import Tokenizer
from model.training.batches import Batch, masked
from model.training.recipe import CaptionedData, Recipe
from model.training.synthetic import HeldOut
from model.transforms import TrainTransform


class CaptionedBatches:
    """Every epoch a new order of all captions; the last short batch of an epoch is left out."""

    def __init__(self, recipe: Recipe, data: CaptionedData, config: EncoderConfig) -> None:
        self.recipe, self.config = recipe, config
        self.samples = load_split(data.name, data.root, "train")
        if len(self.samples) < recipe.batch_size:
            raise DatasetError(
                f"{data.root} has {len(self.samples)} training captions, fewer than one batch."
            )
        self.identities: int | None = len({sample.identity for sample in self.samples})
        self.tokenizer = Tokenizer(config.backbone.text.context_length)

    def batch(self, step: int) -> Batch:
        """The batch of that step."""
        rng = np.random.default_rng([self.recipe.seed, 2, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        config = self.config
        transform = TrainTransform(
            config.backbone.vision.image_size, config.mean, config.std, generator=generator
        )
        chosen = self._samples_of(step)
        return Batch(
            pixels=torch.stack([transform(read_image(sample.path)) for sample in chosen]),
            ids=masked(self.tokenizer.encode([sample.caption for sample in chosen]), self.recipe, rng),
            identities=torch.tensor([sample.identity for sample in chosen]),
        )

    def _samples_of(self, step: int) -> Sequence[Sample]:
        size = self.recipe.batch_size
        epoch, place = divmod(step, len(self.samples) // size)
        order = np.random.default_rng([self.recipe.seed, 1, epoch]).permutation(len(self.samples))
        return [self.samples[index] for index in order[place * size : (place + 1) * size]]


def captioned_held_out(data: CaptionedData) -> HeldOut:
    """The validation split: every image once, every caption. Raises DatasetError where there is none."""
    split = next((known for known in SPLITS if known == data.validation_split), None)
    if split is None:
        raise DatasetError(
            f"There is no split called {data.validation_split!r}; choose one of {', '.join(SPLITS)}."
        )
    samples = load_split(data.name, data.root, split)
    images = {sample.image_id: sample for sample in samples}
    return HeldOut(
        pictures=[read_image(sample.path) for sample in images.values()],
        captions=[sample.caption for sample in samples],
        picture_identities=[sample.identity for sample in images.values()],
        caption_identities=[sample.identity for sample in samples],
    )
