"""`View`: a rendered person as arrays, before any colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """One person from one side, as arrays of (height, width).

    `first`, `second` are the two commonest materials of each pixel and `share` (0-255) how much of it is the
    first. `normal` (h, w, 3) int8: unit normal x 127 in camera axes (x right, y away, z up). `open_sky`
    (0-255): how little neighbouring surfaces shade the pixel. `pattern` (h, w, 2) float16: metres around and
    along the garment, (0, 0.5) about the middle of the chest. `shadow` (0-255): shadow on the ground.
    `floor`: row of the feet, as a share of the height. `counts`: visible pixels per material name, occlusion
    and frame considered.
    """

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    share: NDArray[np.uint8]
    normal: NDArray[np.int8]
    open_sky: NDArray[np.uint8]
    pattern: NDArray[np.float16]
    shadow: NDArray[np.uint8]
    floor: float
    yaw: float
    pitch: float
    pose: str
    counts: dict[str, int]


def facing(yaw: float) -> str:
    """`front`, `side` or `back`: what is seen at this yaw (degrees; at 0 the person faces the camera)."""
    turned = abs((yaw + 180.0) % 360.0 - 180.0)
    return "front" if turned < 55 else "back" if turned > 125 else "side"


def visible(view: View, *materials: str) -> float:
    """Share of the picture that these materials cover."""
    return sum(view.counts.get(name, 0) for name in materials) / view.first.size
