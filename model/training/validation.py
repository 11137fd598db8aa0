"""Opens a recipe's data and measures an encoder on its held-out part while it is trained."""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.evaluation import RetrievalMetrics, evaluate_similarity
from model.tokenizer import Tokenizer
from model.training.batches import BatchSource
from model.training.captioned import CaptionedBatches, captioned_held_out
from model.training.recipe import CaptionedData, Recipe
from model.training.synthetic import HeldOut, SyntheticBatches, held_out, kept_people
from model.transforms import Preprocess

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Validation:
    """Held-out pictures as tensors and captions as ids, ready to be encoded."""

    pixels: torch.Tensor
    ids: torch.Tensor
    picture_identities: torch.Tensor
    caption_identities: torch.Tensor

    @classmethod
    def of(cls, people: HeldOut, config: EncoderConfig) -> "Validation":
        """Resize and normalise once."""
        preprocess = Preprocess(config.backbone.vision.image_size, config.mean, config.std)
        pixels = torch.stack([preprocess(picture) for picture in people.pictures])
        pictures, captions = torch.tensor(people.picture_identities), torch.tensor(people.caption_identities)
        return cls(pixels, Tokenizer().encode(people.captions), pictures, captions)

    @torch.no_grad()
    def metrics(self, encoder: PersonEncoder) -> RetrievalMetrics:
        """Text to image over all held-out pictures; the encoder's mode is left as it was."""
        was_training = encoder.training
        encoder.eval()
        images = torch.cat(
            [encoder.encode_image(part) for part in torch.split(self.pixels, EVALUATION_BATCH)]
        )
        texts = torch.cat(
            [encoder.encode_text(part, shorten=True) for part in torch.split(self.ids, EVALUATION_BATCH)]
        )
        encoder.train(was_training)
        unit = torch.nn.functional.normalize
        similarity = (unit(texts.float()) @ unit(images.float()).T).numpy()
        return evaluate_similarity(
            similarity, self.caption_identities.numpy(), self.picture_identities.numpy()
        )


def open_data(
    recipe: Recipe, config: EncoderConfig, out: Path, workers: int
) -> tuple[BatchSource, Validation]:
    """The batches and the held-out part of a recipe's data; painted pictures are kept in the run's folder."""
    if isinstance(recipe.data, CaptionedData):
        source: BatchSource = CaptionedBatches(recipe, recipe.data, config)
        return source, Validation.of(captioned_held_out(recipe.data), config)
    people = kept_people(recipe.data, out / "people.npz", max(workers, 1))
    size = config.backbone.vision.image_size
    return SyntheticBatches(recipe, people, size), Validation.of(held_out(recipe.data), config)
