"""A recipe's data, opened, and how the encoder does on the part that it does not learn from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.config import EncoderConfig
from model.datasets import LoadedSplit, Sample, Split, available_splits, load_split
from model.encoder import PersonEncoder
from model.evaluate import evaluate_encoder
from model.evaluation import Evaluation, RetrievalMetrics, evaluate_vectors
from model.split_vectors import finite
from model.tokenizer import Tokenizer
from model.training.batches import BatchSource
from model.training.captioned import CaptionedBatches
from model.training.distributed import Team
from model.training.recipe import CaptionedData, Recipe, SyntheticPeopleData
from model.training.synthetic import SyntheticBatches, held_out, kept_people
from model.transforms import Preprocess

TEXTS_AT_ONCE, IMAGES_AT_ONCE = 256, 64


class LiveEmbedder:
    """The encoder as it is at this moment of its training, as `evaluate_encoder` wants it."""

    def __init__(self, encoder: PersonEncoder, device: torch.device) -> None:
        config = encoder.config
        self.preprocess = Preprocess(config.backbone.vision.image_size, config.mean, config.std)
        self._encoder, self._device = encoder, device
        self._tokenizer = Tokenizer(config.backbone.text.context_length)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Sentences -> (n, dimension) unit vectors."""
        ids = torch.split(self._tokenizer.encode(texts), TEXTS_AT_ONCE)
        return _unit([self._encoder.encode_text(part.to(self._device), shorten=True) for part in ids])

    def embed_pixels(self, pixels: torch.Tensor) -> NDArray[np.float32]:
        """Preprocessed pixels (n, 3, height, width) -> (n, dimension) unit vectors."""
        parts = torch.split(pixels, IMAGES_AT_ONCE)
        return _unit([self._encoder.encode_image(part.to(self._device)) for part in parts])


def _unit(features: Sequence[torch.Tensor]) -> NDArray[np.float32]:
    return torch.nn.functional.normalize(torch.cat(list(features)).float(), dim=1).cpu().numpy()


class HeldOutPart(Protocol):
    """Something to measure an encoder on."""

    @property
    def split(self) -> str:
        """What it is called in reports."""

    def evaluation(self, embedder: LiveEmbedder) -> Evaluation:
        """Both directions."""


@dataclass(frozen=True)
class SplitPart:
    """A split of a data set on disk; its images are decoded anew each time."""

    split: str
    samples: list[Sample]
    workers: int

    def evaluation(self, embedder: LiveEmbedder) -> Evaluation:
        """Both directions."""
        return evaluate_encoder(embedder, self.samples, workers=max(self.workers, 1))


@dataclass(frozen=True)
class PaintedPart:
    """Synthetic people that no batch shows, kept in memory."""

    split: str
    pixels: torch.Tensor
    captions: list[str]
    picture_identities: list[int]
    caption_identities: list[int]

    @classmethod
    def of(cls, data: SyntheticPeopleData, config: EncoderConfig) -> "PaintedPart":
        """Paint, resize and normalise once."""
        people = held_out(data)
        preprocess = Preprocess(config.backbone.vision.image_size, config.mean, config.std)
        pixels = torch.stack([preprocess(picture) for picture in people.pictures])
        return cls(
            "held-out people", pixels, people.captions, people.picture_identities, people.caption_identities
        )

    def evaluation(self, embedder: LiveEmbedder) -> Evaluation:
        """Both directions."""
        return evaluate_vectors(
            finite(embedder.embed_pixels(self.pixels)),
            finite(embedder.embed_texts(self.captions)),
            self.picture_identities,
            self.caption_identities,
        )


@dataclass(frozen=True)
class RunData:
    """What a run learns from, what it is watched on, and what it is measured on in the end.

    `watched` is looked at during training, if there is anything; with `selects` its best moment is kept.
    `reported` is measured once, at the end. `digest` is that of all rows, and changes with any of them.
    `notices` are facts about the data worth telling.
    """

    source: BatchSource
    watched: HeldOutPart | None
    selects: bool
    reported: HeldOutPart | None
    digest: str
    notices: tuple[str, ...] = ()


def open_data(recipe: Recipe, config: EncoderConfig, out: Path, workers: int, team: Team) -> RunData:
    """The data of a recipe; painted pictures are kept in the run's folder."""
    if isinstance(recipe.data, CaptionedData):
        return _open_captioned(recipe, recipe.data, config, workers, team)
    if not team.leads:
        team.wait()  # for the pictures that the leader paints
    people = kept_people(recipe.data, out / "people.npz", max(workers, 1))
    if team.leads:
        team.wait()
    source = SyntheticBatches(recipe, people, config.backbone.vision.image_size)
    return RunData(source, PaintedPart.of(recipe.data, config), False, None, people.digest())


def measure(part: HeldOutPart, encoder: PersonEncoder, device: torch.device) -> Evaluation:
    """How the encoder does on it; the encoder's mode is left as it was."""
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            return part.evaluation(LiveEmbedder(encoder, device))
    finally:
        encoder.train(was_training)


def figures(metrics: RetrievalMetrics) -> dict[str, float]:
    """The figures of one direction by name."""
    return dict(vars(metrics))


def _open_captioned(
    recipe: Recipe, data: CaptionedData, config: EncoderConfig, workers: int, team: Team
) -> RunData:
    def load(split: Split) -> LoadedSplit:
        return load_split(data.name, data.root, split, skip_bad=data.skip_bad, check_images=True)

    splits = available_splits(data.name, data.root)
    train = load("train")
    loaded = {"train": train} | {split: load(split) for split in splits if split != "train"}
    parts = {
        split: SplitPart(split, part.samples, workers)
        for split, part in loaded.items()
        if split != "train" and part.samples
    }
    source = CaptionedBatches(recipe, train.samples, config, team.size)
    watched = parts.get("test" if recipe.paper_protocol else "val")
    notices = tuple(f"{split}: {notice}" for split, part in loaded.items() for notice in _told(part))
    digest = rows_digest({split: part.samples for split, part in loaded.items()})
    return RunData(source, watched, watched is not None, parts.get("test"), digest, notices)


def rows_digest(splits: Mapping[str, Sequence[Sample]]) -> str:
    """sha256 over path, identity and caption of every row, in order."""
    digest = hashlib.sha256()
    for split, samples in splits.items():
        for sample in samples:
            row = [split, sample.path.as_posix(), sample.identity, sample.caption]
            digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()


def _told(part: LoadedSplit) -> list[str]:
    told = [part.notice] if part.notice else []
    if part.rejected:
        told.append(f"{len(part.rejected)} left out, first {part.rejected[0]}")
    return told
