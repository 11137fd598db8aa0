"""How likely a crop shows the person described: from its cosine, and from where that stands in the gallery.

If the person is in a gallery of n passages with even odds, a crop with the evidence x shows them with about
the odds p(x | the same person) / p(x | somebody else) / n. The logarithm of that is taken to be linear in

- the cosine,
- how many deviations it lies above the mean cosine of the sentence over the gallery: some sentences are near
  to everybody (zero normalisation of scores, as in speaker verification),
- how far the upper tail of those cosines reaches: many look a little like a vague sentence,
- log n, with a slope close to -1: among more people somebody looks like it sooner.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

TAIL = 0.95
"""The quantile of the cosines over a gallery that says how far their tail reaches."""

SAMPLE = 2000
"""Crops that a gallery is represented by."""

FEWEST = 50
"""Crops below which a gallery says too little about itself."""

_SURE = 30.0

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


class Standing(NamedTuple):
    """Of sentences over a gallery: mean, deviation and tail of the cosines, each (sentences,)."""

    mean: Floats
    deviation: Floats
    tail: Floats


@dataclass(frozen=True)
class Background:
    """Some crops of a gallery as unit vectors (crops, dimension), and how many passages it holds in all.

    A passage is one walk of one person past one camera, as far as it is known; else each crop is one.
    """

    vectors: Vectors
    passages: int

    def standing(self, sentences: Vectors) -> Standing:
        """Of unit vectors (sentences, dimension)."""
        return standing(sentences @ self.vectors.T)


class Likelihood(BaseModel):
    """The log odds that a crop shows the person described, linear in the evidence above."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intercept: float
    cosine: float
    standing: float
    tail: float
    passages: float

    def probability(self, evidence: Floats) -> Floats:
        """(...) in 0 .. 1 of evidence (..., 4)."""
        weights = np.array([self.cosine, self.standing, self.tail, self.passages])
        log_odds = np.clip(self.intercept + evidence @ weights, -_SURE, _SURE)
        probabilities: Floats = 1 / (1 + np.exp(-log_odds))
        return probabilities


def standing(cosines: NDArray[np.float32]) -> Standing:
    """Of the cosines (sentences, crops) of each sentence with some crops of a gallery."""
    exact = cosines.astype(np.float64)
    mean = exact.mean(1)
    deviation = np.sqrt(np.maximum((exact * exact).mean(1) - mean * mean, 0))
    return Standing(mean, np.maximum(deviation, 1e-6), _tail(exact))


def _tail(cosines: Floats) -> Floats:
    """The quantile TAIL of each row, as np.quantile has it and in a tenth of its time."""
    place = TAIL * (cosines.shape[1] - 1)
    low = int(place)
    high = min(low + 1, cosines.shape[1] - 1)
    ordered = np.partition(cosines, (low, high), axis=1)
    tail: Floats = ordered[:, low] + (place - low) * (ordered[:, high] - ordered[:, low])
    return tail


def evidence(cosines: NDArray[np.float32], of: Standing, passages: int) -> Floats:
    """(sentences, crops, 4) of the cosines (sentences, crops) in a gallery of so many passages."""
    mean, deviation = of.mean[:, None], of.deviation[:, None]
    own = cosines.astype(np.float64)
    tail = np.broadcast_to((of.tail[:, None] - mean) / deviation, own.shape)
    size = np.full(own.shape, np.log(max(passages, 1)))
    return np.stack([own, (own - mean) / deviation, tail, size], axis=-1)
