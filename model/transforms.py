"""Pictures to tensors: normalised as the network learns from them, and the augmentation of training.

Written on PIL and torch alone, so that inference and the workers of an index run import no torchvision; the
random draws of `TrainTransform` come in the order of torchvision's transforms, so the published
augmentation is repeated draw by draw.
"""

import math
from typing import Self

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.resizing import Picture, Resize

ERASE_ATTEMPTS = 10


class Preprocess:
    """Resized and normalised: float32 (3, height, width), what the network learns from."""

    def __init__(
        self, image_size: tuple[int, int], mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        self._resize = Resize(image_size)
        self._mean = torch.tensor(mean).reshape(3, 1, 1)
        self._std = torch.tensor(std).reshape(3, 1, 1)

    def __call__(self, picture: Picture) -> torch.Tensor:
        """Resize and normalise one picture."""
        return self.normalise(self.resize(picture))

    def resize(self, picture: Picture) -> Image.Image:
        """The picture as an RGB PIL image of the network's size."""
        return self._resize.resize(picture)

    def normalise(self, image: Image.Image) -> torch.Tensor:
        """An RGB PIL image -> (3, height, width), scaled to 0 .. 1, less the mean, over the deviation."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return (pixels.float().div_(255) - self._mean) / self._std


class AugmentationConfig(BaseModel):
    """The published augmentation; with `pad` = 0 and `erase` = 0 only the flip is left.

    `erase_area` and `erase_ratio` are the least and the most: of the picture's area, and of height to width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    flip: float = Field(default=0.5, ge=0, le=1)
    pad: int = Field(default=10, ge=0)
    erase: float = Field(default=0.5, ge=0, le=1)
    erase_area: tuple[float, float] = (0.02, 0.4)
    erase_ratio: tuple[float, float] = (0.3, 3.3)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, (least, most) in (("erase_area", self.erase_area), ("erase_ratio", self.erase_ratio)):
            if not 0 < least <= most:
                raise ValueError(f"{name} is [{least}, {most}]; give the least, above 0, and then the most")
        return self


class TrainTransform:
    """Resize, flip, pad with black, crop, normalise, erase a rectangle.

    The erased rectangle is filled with the mean constants although the tensor is normalised by then, as in
    the published runs. `generator` is torch's global one if None.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        augmentation: AugmentationConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.preprocess = Preprocess(image_size, mean, std)
        self.augmentation = augmentation or AugmentationConfig()
        self.generator = generator
        self._fill = torch.tensor(mean).reshape(3, 1, 1)

    def __call__(self, picture: Picture) -> torch.Tensor:
        """A picture of any size -> one random view of it, (3, height, width)."""
        image = self.preprocess.resize(picture)
        if self._chance(self.augmentation.flip):
            image = ImageOps.mirror(image)
        if self.augmentation.pad:
            image = self._shift(image)
        pixels = self.preprocess.normalise(image)
        return self._erase(pixels) if self._chance(self.augmentation.erase) else pixels

    def _chance(self, probability: float) -> bool:
        return probability > 0 and float(torch.rand(1, generator=self.generator)) < probability

    def _integer(self, stop: int) -> int:
        return int(torch.randint(0, stop, size=(1,), generator=self.generator))

    def _uniform(self, low: float, high: float) -> float:
        return float(torch.empty(1).uniform_(low, high, generator=self.generator))

    def _shift(self, image: Image.Image) -> Image.Image:
        """Pad every side with black and crop a window of the former size."""
        pad = self.augmentation.pad
        top, left = self._integer(2 * pad + 1), self._integer(2 * pad + 1)
        return ImageOps.expand(image, border=pad, fill=0).crop(
            (left, top, left + image.width, top + image.height)
        )

    def _erase(self, pixels: torch.Tensor) -> torch.Tensor:
        """Fill one rectangle; left as it is when no rectangle of the drawn areas and ratios fits."""
        height, width = pixels.shape[1:]
        log_low, log_high = torch.log(torch.tensor(self.augmentation.erase_ratio)).tolist()
        for _ in range(ERASE_ATTEMPTS):
            area = height * width * self._uniform(*self.augmentation.erase_area)
            ratio = float(torch.exp(torch.tensor(self._uniform(log_low, log_high))))
            rows, columns = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if rows < height and columns < width:
                top, left = self._integer(height - rows + 1), self._integer(width - columns + 1)
                pixels[:, top : top + rows, left : left + columns] = self._fill
                return pixels
        return pixels
