"""A toy encoder, in a module that processes which decode can import."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image


class MeanColourPixels:
    """One pixel: the mean colour of a crop. Counts what it prepares; only a plain one is pickled."""

    image_size = (1, 1)

    def __init__(self, on_prepare: Callable[[np.ndarray], None] = lambda pixels: None) -> None:
        self.prepared, self._on_prepare = 0, on_prepare

    def __reduce__(self):
        return MeanColourPixels, ()

    def __call__(self, picture: Image.Image) -> np.ndarray:
        pixels = np.asarray(picture)
        self._on_prepare(pixels)
        self.prepared += 1
        return pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8).reshape(1, 1, 3)


class MeanColour:
    """The direction of a crop's mean colour; counts what it prepares here and embeds."""

    device_type = "cpu"

    def __init__(self, on_prepare: Callable[[np.ndarray], None] = lambda pixels: None) -> None:
        self.batches, self.preprocess = list[int](), MeanColourPixels(on_prepare)

    @property
    def prepared(self) -> int:
        return self.preprocess.prepared

    def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        assert pixels.dtype == torch.uint8
        assert pixels.shape[1:] == (1, 1, 3)
        assert pixels.is_contiguous()
        self.batches.append(len(pixels))
        vectors = pixels.reshape(-1, 3).float().numpy()
        with np.errstate(invalid="ignore"):  # black has no direction
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
