"""For whom an encoder works worse: the figures by camera, length of the caption and attribute.

Only the queries (captions) are sliced; each is still ranked against the whole gallery.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.datasets.samples import Sample
from model.evaluation import Interval, Ranks, bootstrap_interval

MAX_VALUES = 30
"""An attribute with more values, such as a file name, is not sliced."""

SMALL = 30
"""A slice with fewer captions says little."""

LENGTHS = ((10, "1-10 words"), (20, "11-20 words"), (40, "21-40 words"))
LONGER = "41 words or more"
"""Named so that they sort from short to long."""


@dataclass(frozen=True)
class Slice:
    """Text to image over the captions whose image has one value of one attribute, in percent.

    `value` is None where the data set does not state it. `r1_interval` holds R@1 with 95 % confidence over
    people; None where all captions are of one person.
    """

    attribute: str
    value: str | None
    captions: int
    people: int
    r1: float
    r1_interval: Interval | None
    r10: float
    mean_ap: float
    small: bool


@dataclass(frozen=True)
class SliceReport:
    """All slices, those of one attribute one after the other, and the attributes with too many values."""

    slices: tuple[Slice, ...]
    not_sliced: tuple[str, ...]


def slice_report(samples: Sequence[Sample], ranks: Ranks) -> SliceReport:
    """Slices of the queries `samples`, whose ranks in the whole gallery are `ranks`.

    Camera first, then the caption's length, then the attributes by name. Raises ValueError where samples and
    ranks are not equally many.
    """
    if len(samples) != len(ranks.first_match):
        raise ValueError(f"{len(samples)} samples for the ranks of {len(ranks.first_match)} queries")
    slices: list[Slice] = []
    if any(sample.camera is not None for sample in samples):
        slices += _slices("camera", [sample.camera for sample in samples], samples, ranks)
    slices += _slices("caption length", [caption_length(one.caption) for one in samples], samples, ranks)
    not_sliced = []
    for name in sorted({name for sample in samples for name in sample.attributes}):
        values = [sample.attributes.get(name) for sample in samples]
        if len(set(values) - {None}) > MAX_VALUES:
            not_sliced.append(name)
        else:
            slices += _slices(name, values, samples, ranks)
    return SliceReport(tuple(slices), tuple(not_sliced))


def caption_length(caption: str) -> str:
    """The class of a caption by its words, counted between blanks."""
    words = len(caption.split())
    return next((name for limit, name in LENGTHS if words <= limit), LONGER)


def _slices(
    attribute: str, values: Sequence[str | None], samples: Sequence[Sample], ranks: Ranks
) -> list[Slice]:
    """One slice per value (one per sample is given), sorted, None last."""
    rows: dict[str | None, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    order = sorted(rows, key=lambda value: (value is None, value or ""))
    return [_slice(attribute, value, rows[value], samples, ranks) for value in order]


def _slice(
    attribute: str, value: str | None, rows: Sequence[int], samples: Sequence[Sample], ranks: Ranks
) -> Slice:
    chosen = np.array(rows)
    identities = [samples[row].identity for row in rows]
    people = len(set(identities))
    figures = Ranks(ranks.first_match[chosen], ranks.average_precision[chosen], ranks.inverse_penalty[chosen])
    metrics = figures.metrics()
    return Slice(
        attribute=attribute,
        value=value,
        captions=len(rows),
        people=people,
        r1=metrics.r1,
        r1_interval=bootstrap_interval(figures.first_match <= 1, identities) if people > 1 else None,
        r10=metrics.r10,
        mean_ap=metrics.mean_ap,
        small=len(rows) < SMALL,
    )
