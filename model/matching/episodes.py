"""Galleries as they could be: some people of a data set, asked for them and for others who are not there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.matching.likelihood import SAMPLE, Floats, Vectors, evidence, standing

TOP = 10
"""Hits of each question that are looked at."""

QUESTIONS_EACH = 25
"""Asked of one gallery for people who are there, and as many for people who are not."""


@dataclass(frozen=True)
class People:
    """Unit vectors of captions (captions, dimension) and of crops (crops, dimension), and whose they are."""

    captions: Vectors
    crops: Vectors
    caption_ids: NDArray[np.int64]
    crop_ids: NDArray[np.int64]

    @property
    def identities(self) -> NDArray[np.int64]:
        """Who can be asked for and found, ascending."""
        return np.intersect1d(self.caption_ids, self.crop_ids)

    def only(self, identities: NDArray[np.int64]) -> "People":
        """The part of these people."""
        captions, crops = np.isin(self.caption_ids, identities), np.isin(self.crop_ids, identities)
        return People(
            self.captions[captions], self.crops[crops], self.caption_ids[captions], self.crop_ids[crops]
        )


@dataclass(frozen=True)
class Episodes:
    """Questions to galleries of about `passages` crops.

    evidence (questions, TOP, 4) of the best hits, best first; right (questions, TOP): whether a hit shows the
    person; present (questions,): whether the person was there.
    """

    passages: int
    evidence: Floats
    right: NDArray[np.bool_]
    present: NDArray[np.bool_]


def sizes_for(people: int) -> list[int]:
    """Numbers of people that galleries are drawn with: doubling from 25, and leaving a third away."""
    most = 2 * people // 3
    sizes = [25 * 2**power for power in range(20) if 25 * 2**power <= most]
    return [*sizes, most] if sizes and most >= 1.5 * sizes[-1] else sizes


def simulate(people: People, size: int, questions: int, rng: np.random.Generator) -> Episodes:
    """At least `questions` questions, half of them for people who are not there, to galleries of `size`
    people, each drawn anew."""
    rounds = [_one(people, size, rng) for _ in range(-(-questions // (2 * QUESTIONS_EACH)))]
    crops = round(float(np.mean([one.passages for one in rounds])))
    return _joined(crops, rounds)


def _one(people: People, size: int, rng: np.random.Generator) -> Episodes:
    there = rng.choice(people.identities, size, replace=False)
    gallery = np.flatnonzero(np.isin(people.crop_ids, there))
    known = np.isin(people.caption_ids, there)
    asked = np.concatenate(
        [
            rng.choice(np.flatnonzero(mask), min(QUESTIONS_EACH, int(mask.sum())), replace=False)
            for mask in (known, ~known)
        ]
    )
    cosines = people.captions[asked] @ people.crops[gallery].T
    sample = rng.permutation(len(gallery))[:SAMPLE]
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :TOP]
    top = np.take_along_axis(cosines, best, axis=1)
    return Episodes(
        len(gallery),
        evidence(top, standing(cosines[:, sample]), len(gallery)),
        people.crop_ids[gallery[best]] == people.caption_ids[asked][:, None],
        known[asked],
    )


def _joined(passages: int, parts: Sequence[Episodes]) -> Episodes:
    return Episodes(
        passages,
        np.concatenate([part.evidence for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.present for part in parts]),
    )
