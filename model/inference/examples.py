"""The pictures and captions that an export measures on, and others to choose 8-bit scales on.

A data set's own, or painted people. No person that a form was calibrated on is measured.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from model.datasets import DataPlace, Split, available_splits, data_place, load_split
from model.datasets.samples import Sample, read_image
from model.encoder import PersonEncoder
from model.errors import DatasetError
from model.evaluate import load_told
from model.people.write import PeopleOrder, write_people
from model.progress import Progress
from model.resizing import Resize
from model.tokenizer import Tokenizer

PICTURES_EACH = 3
MEASURED_SEED, CALIBRATION_SEED = 4001, 4002
"""Of painted people, who are others for every seed."""

CALIBRATION_SHARE = 5
"""One person of so many calibrates where a data set has a single split."""

CALIBRATION_PICTURES = 256
"""That scales are chosen on at most."""

SEED = 0


@dataclass(frozen=True)
class Examples:
    """What is measured on and, disjoint from it by person, calibrated on; `data` is what the report says."""

    data: str
    measured: Sequence[Sample]
    calibration: Sequence[Sample]


@contextmanager
def open_examples(
    data: str | None, split: Split, people: int, calibrating: bool, workers: int
) -> Iterator[Examples]:
    """Examples of `data` (NAME:PATH), or of `people` painted ones that are gone behind the block.

    Raises DatasetError for a data set that cannot be used.
    """
    if data is not None:
        yield _of_data_set(data_place(data), split, calibrating, workers)
        return
    with tempfile.TemporaryDirectory(prefix="cskt-export-") as place:
        order = partial(PeopleOrder, images_per_identity=PICTURES_EACH, split="test")
        measured = painted(order(Path(place) / "measured", people, seed=MEASURED_SEED), workers)
        others = -(-people // CALIBRATION_SHARE) if calibrating else 0
        calibrating_on = order(Path(place) / "calibration", others, seed=CALIBRATION_SEED)
        calibration = painted(calibrating_on, workers) if others else []
        yield Examples(f"synthetic people ({people:,})", measured, calibration)


def drawn(encoder: PersonEncoder, samples: Sequence[Sample], most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """At most `most` of the samples' pictures, bytes (n, height, width, 3), and captions (m, context), drawn
    at random and always the same."""
    backbone = encoder.config.backbone
    shown = list({sample.image_id: sample.path for sample in samples}.values())
    chosen = [shown[index] for index in _order(len(shown))[:most]]
    captions = [samples[index].caption for index in _order(len(samples))[:most]]
    resize, pixels = Resize(backbone.vision.image_size), []
    with Progress("pictures to calibrate on", len(chosen), "images") as progress:
        for path in chosen:
            pixels.append(resize(read_image(path)))
            progress.advance()
    return torch.from_numpy(np.stack(pixels)), Tokenizer(backbone.text.context_length).encode(captions)


def apart(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """One part to measure on and a smaller one to calibrate on, with no person in both.

    Raises DatasetError where there are not two people.
    """
    people = sorted({sample.identity for sample in samples})
    if len(people) < 2:
        raise DatasetError(
            "int8 needs people to calibrate on beside those it is measured on, and the data set shows one; "
            "name another with --data, or leave it out."
        )
    taken = {people[index] for index in _order(len(people))[: -(-len(people) // CALIBRATION_SHARE)]}
    measured = [sample for sample in samples if sample.identity not in taken]
    return measured, [sample for sample in samples if sample.identity in taken]


def _of_data_set(place: DataPlace, split: Split, calibrating: bool, workers: int) -> Examples:
    """Called by the data set's name alone: the report is passed on, and where the data lies is not."""
    measured: Sequence[Sample] = load_told(place, split, skip_bad=False, workers=workers).samples
    if not calibrating:
        return Examples(f"{place.name}, {split}", measured, [])
    choices: tuple[Split, ...] = ("train", "val")
    there = available_splits(place.name, place.root)
    others = next((name for name in choices if name in there and name != split), None)
    if others is None:
        measured, calibration = apart(measured)
        return Examples(f"{place.name}, people of {split} not calibrated on", measured, calibration)
    calibration = load_split(place.name, place.root, others).samples
    return Examples(f"{place.name}, {split}", measured, calibration)


def painted(order: PeopleOrder, workers: int) -> Sequence[Sample]:
    """The samples of people who are painted first, all of them into `test`."""
    write_people(order, workers=workers)
    return load_split("folder", order.out, "test").samples


def _order(count: int) -> list[int]:
    return [int(index) for index in np.random.default_rng(SEED).permutation(count)]
