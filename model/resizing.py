"""A picture as an encoder's pixels, on PIL and numpy alone: processes that only decode need no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = Image.Image | NDArray[np.uint8]
"""A PIL image of any mode, or RGB bytes (height, width, 3)."""


@dataclass(frozen=True)
class Resize:
    """A picture of any size -> uint8 (height, width, 3): all that inference needs of preprocessing.

    Bilinear with antialiasing as PIL does it, without keeping the aspect ratio. `image_size` is (height,
    width). Raises ValueError for an array that is not uint8 (height, width, 3).
    """

    image_size: tuple[int, int]

    def __call__(self, picture: Picture) -> NDArray[np.uint8]:
        """Resize one picture."""
        return np.array(self.resize(picture))

    def resize(self, picture: Picture) -> Image.Image:
        """The picture as an RGB PIL image of the target size."""
        height, width = self.image_size
        return as_rgb(picture).resize((width, height), Image.Resampling.BILINEAR)


def as_rgb(picture: Picture) -> Image.Image:
    """A picture as an RGB PIL image, the picture itself if it is one.

    Raises ValueError for an array that is not uint8 (height, width, 3).
    """
    if isinstance(picture, Image.Image):
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is uint8 (height, width, 3), not {picture.dtype} {picture.shape}")
    return Image.fromarray(picture)
