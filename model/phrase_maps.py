"""Where in a picture a phrase finds its evidence: cosines by place, made comparable. An aid and no proof.

Two sources of cosines, both used by model.embedder: the projected tokens of the patches, and how much the
picture's own cosine loses where a place is covered. model/README.md says how well each of them points.
"""

import math

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]

NEUTRAL = "a person"
"""What every picture shows: compared along with the phrases, so that a single one has something beside it."""

COVERED_GRID = (10, 4)
COVERS = (1.5, 2.5)
"""Places that are covered, whatever the encoder's patches, and the sides of the covers in places."""


def comparable(evidence: NDArray[np.float32]) -> Maps:
    """Evidence (phrases + 1, rows, columns), the neutral phrase last -> maps (phrases, rows, columns), 0..1.

    What all phrases have in common at a place is taken off (as in Li et al., "CLIP Surgery", 2023), then
    every map is stretched from its least to its largest value; one that is the same everywhere is 0.
    """
    own = (evidence - evidence.mean(axis=0))[:-1]
    own = own - own.min(axis=(1, 2), keepdims=True)
    most = own.max(axis=(1, 2), keepdims=True)
    maps: Maps = np.divide(own, most, out=np.zeros_like(own), where=most > 0)
    return maps


def covered_maps(phrases: NDArray[np.float32], pictures: NDArray[np.float32]) -> Maps:
    """Unit vectors of phrases, the neutral one last, and of a picture's covered copies -> maps as above."""
    lost = -phrases @ pictures.T
    return comparable(lost.reshape(len(phrases), len(COVERS), *COVERED_GRID).mean(axis=1))


def covered(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (height, width, 3) with each place covered by each of `COVERS`: (copies, height, width, 3).

    A cover has the picture's mean colour.
    """
    (rows, columns), (height, width) = COVERED_GRID, picture.shape[:2]
    colour = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    places = [(cover, *divmod(place, columns)) for cover in COVERS for place in range(rows * columns)]
    copies = np.repeat(picture[None], len(places), axis=0)
    for copy, (cover, row, column) in zip(copies, places, strict=True):
        copy[_span(row, height / rows, cover), _span(column, width / columns, cover)] = colour
    return copies


def _span(place: int, size: float, cover: float) -> slice:
    middle, reach = (place + 0.5) * size, cover / 2 * size
    return slice(max(0, math.floor(middle - reach)), math.ceil(middle + reach))
