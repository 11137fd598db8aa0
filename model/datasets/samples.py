"""Annotated person images: the sample, a loaded split, and how samples come from annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.datasets.annotations import (
    NAMES_SHOWN,
    SPLITS,
    Annotations,
    Counts,
    DataSet,
    Pair,
    Reject,
    Split,
    refuse,
    shortened,
)
from model.errors import DatasetError

__all__ = ["SPLITS", "LoadedSplit", "Sample", "Split", "read_image"]


@dataclass(frozen=True)
class Sample:
    """One caption of one image. `image_id` counts the split's images in file order; `camera` and
    `attributes` are what the set tells of the picture, for figures by camera or attribute.
    """

    identity: int
    image_id: int
    path: Path
    caption: str
    camera: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class LoadedSplit:
    """A split as loaded: its samples, what was left out ("what: why" each), and what should be told.

    `notice` is empty or one sentence, as where the counts differ from the published ones.
    """

    samples: list[Sample]
    rejected: tuple[str, ...]
    notice: str


def rejects_of(read: Annotations, split: Split) -> list[Reject]:
    """What cannot be used of a split, and what may belong to it."""
    return [reject for reject in read.rejects if reject.split in (None, split)]


def refuse_entries(read: Annotations, rejects: Sequence[Reject]) -> None:
    """Raise DatasetError if there are entries that cannot be used."""
    bad = [f"{reject.what} ({reject.why})" for reject in rejects]
    refuse(bad, f"{read.file}: {{}} of {read.entries} entries cannot be used", "correct or remove them")


def number_samples(
    dataset: DataSet, file: Path, pairs: Sequence[Pair], split: Split, renumber: bool
) -> list[Sample]:
    """Samples of one split's pairs: images counted in file order, training identities 0 .. n-1.

    With `renumber` training identities are numbered in ascending order, otherwise DatasetError is raised
    where they are not without gaps. Those of other splits stay as annotated.
    """
    identities = _training_numbers(dataset, file, pairs, renumber) if split == "train" else None
    images: dict[int, int] = {}
    return [
        Sample(
            identity=identities[pair.identity] if identities is not None else pair.identity,
            image_id=images.setdefault(pair.image, len(images)),
            path=pair.path,
            caption=pair.caption,
            camera=pair.facts.camera,
            attributes=pair.facts.attributes,
        )
        for pair in pairs
    ]


def counts_notice(dataset: DataSet, split: Split, samples: Sequence[Sample]) -> str:
    """A sentence with both figures where a split's counts are not the published ones, else nothing."""
    expected = dataset.published.get(split)
    found = Counts(
        len({sample.identity for sample in samples}),
        len({sample.image_id for sample in samples}),
        len(samples),
    )
    if expected is None or found == expected:
        return ""
    return (
        f"{dataset.title} has {found.identities:,} people, {found.images:,} images and "
        f"{found.captions:,} captions in its {split} split here; published are "
        f"{expected.identities:,}, {expected.images:,} and {expected.captions:,}."
    )


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB bytes (height, width, 3) as stored: like the published evaluations it applies no orientation tag.

    Raises DatasetError naming the file if it is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"The image {path} is missing; restore it or remove it from the annotations."
        ) from error
    except Exception as error:  # hostile bytes reach many parsers; whatever they raise, it is unreadable
        raise DatasetError(f"The image {path} cannot be read ({error}); replace or remove it.") from error


def _training_numbers(
    dataset: DataSet, file: Path, pairs: Sequence[Pair], renumber: bool
) -> Mapping[int, int]:
    """The number of every training identity; raises DatasetError for gaps that may not be."""
    found = sorted({pair.identity for pair in pairs})
    first = dataset.first_identity
    if not renumber and found and found != list(range(first, first + len(found))):
        taken = set(found)
        absent = (number for number in range(first, found[-1] + 1) if number not in taken)
        gaps = [str(number) for number in islice(absent, NAMES_SHOWN + 1)]
        raise DatasetError(
            f"{file}: the training identities must be {first} .. n without gaps, but "
            f"{f'{shortened(gaps)} are absent' if gaps else f'{found[0]} is too small'}; "
            "number them anew with --skip-bad, or read a set of your own as 'folder'."
        )
    return {identity: number for number, identity in enumerate(found)}
