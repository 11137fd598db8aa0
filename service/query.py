"""What a search asks for: texts, pictures and rows of the gallery, each with a weight, as one unit vector.

A person like this picture but in a red coat: picture 1, "a red coat" 0.5. Not like row 17: its vector with a
negative weight. The vector of a query is the sum of its parts' unit vectors by their weights, made a unit
vector again; scores are cosines with that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.filters import Filter
from service.errors import BadQuery

MAX_CHARACTERS = 1000  # 75 tokens are some 400 letters; the rest would only cost tokenizer time
TEXT_COST, IMAGE_COST = 1.0, 4.0
_CANCELLED = 1e-3
"""A sum shorter than this says nothing: its direction is what rounding left."""


@dataclass(frozen=True)
class TextPart:
    """Words about the person."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class ImagePart:
    """A picture as it came: base64, with or without `data:image/...;base64,` before it."""

    encoded: str
    weight: float = 1.0


@dataclass(frozen=True)
class ItemPart:
    """A row of the gallery, by id."""

    id: int
    weight: float = 1.0


Part = TextPart | ImagePart | ItemPart


@dataclass(frozen=True)
class Question:
    """One search: `offset` hits are passed over, `min_score` is a cosine, by_track ranks passages."""

    parts: tuple[Part, ...]
    top_k: int
    offset: int = 0
    where: Filter | None = None
    min_score: float | None = None
    by_track: bool = False

    @property
    def cost(self) -> float:
        """In units of one text that is encoded and searched for."""
        return sum(IMAGE_COST if isinstance(part, ImagePart) else TEXT_COST for part in self.parts)

    @property
    def is_one_text(self) -> bool:
        """Whether it is nothing but one text."""
        return len(self.parts) == 1 and isinstance(self.parts[0], TextPart)

    @property
    def depth(self) -> int:
        """How many hits the gallery has to rank."""
        return self.offset + self.top_k


def clean_text(text: str) -> tuple[str, bool]:
    """The words with single spaces, and whether they had to be cut. Raises BadQuery when there are none."""
    words = " ".join(text.split())
    if not words:
        raise BadQuery("The text is empty; describe the person in words.")
    if not any(letter.isalnum() for letter in words):
        raise BadQuery("The text has no letters or digits; describe the person in words.")
    return words[:MAX_CHARACTERS], len(words) > MAX_CHARACTERS


def combined(vectors: Sequence[npt.NDArray[np.float32]], weights: Sequence[float]) -> npt.NDArray[np.float32]:
    """The unit vector (dimension,) of weighted unit vectors. Raises BadQuery when they cancel each other."""
    if len(vectors) == 1 and weights[0] > 0:
        return vectors[0]
    total = np.zeros_like(vectors[0], dtype=np.float64)
    for vector, weight in zip(vectors, weights, strict=True):
        total += weight * vector.astype(np.float64)
    length = float(np.linalg.norm(total))
    if length < _CANCELLED * sum(abs(weight) for weight in weights):
        raise BadQuery("The parts of the query cancel each other; change their weights.")
    return (total / length).astype(np.float32)
