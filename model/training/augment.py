"""What cameras and detectors do to a crop: loose boxes, colour casts, blur, low resolution, JPEG, noise."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Picture = npt.NDArray[np.uint8]


def through_a_camera(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """(height, width, 3) uint8 of any size -> `size` (height, width), as another camera might crop it."""
    image = _loose_box(Image.fromarray(picture), size, rng)
    if rng.random() < 0.25:
        image = _coarse(image, rng)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2))))
    pixels = _colour_cast(np.asarray(image), rng)
    if rng.random() < 0.3:
        pixels = _jpeg(pixels, int(rng.integers(25, 90)))
    if rng.random() < 0.2:
        pixels = _erase(pixels, rng)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def _loose_box(image: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A detector's box: each side moves in by up to 8 %, or the picture shrinks into a wider one."""
    width, height = image.size
    if rng.random() < 0.25:
        edge = np.asarray(image)
        rows, columns = (int(rng.uniform(0, 0.1) * length) for length in (height, width))
        image = Image.fromarray(np.pad(edge, ((rows, rows), (columns, columns), (0, 0)), mode="edge"))
        width, height = image.size
    left, right = rng.uniform(0, 0.08, 2) * width
    top, bottom = rng.uniform(0, 0.06, 2) * height
    if rng.random() < 0.1:  # the lower part is hidden or cut off
        bottom = rng.uniform(0.06, 0.25) * height
    box = (left, top, width - right, height - bottom)
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)


def _coarse(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.35, 0.8)
    small = image.resize(
        (max(1, int(image.width * share)), max(1, int(image.height * share))), Image.Resampling.BOX
    )
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _colour_cast(pixels: Picture, rng: np.random.Generator) -> Picture:
    """Exposure, contrast, saturation, white balance and sensor noise."""
    values = pixels.astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * rng.uniform(0.6, 1.35)
    values = (values - grey.mean()) * rng.uniform(0.7, 1.3) + grey.mean() * rng.uniform(0.7, 1.3)
    values *= 1 + rng.normal(0, 0.05, 3).astype(np.float32)
    values += rng.normal(0, rng.uniform(0, 8), (*values.shape[:2], 1)).astype(np.float32)
    cast: Picture = np.clip(values, 0, 255).astype(np.uint8)
    return cast


def _jpeg(pixels: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _erase(pixels: Picture, rng: np.random.Generator) -> Picture:
    """A grey box somewhere: a pole, a table, another person."""
    height, width = pixels.shape[:2]
    rows, columns = int(height * rng.uniform(0.05, 0.3)), int(width * rng.uniform(0.15, 0.6))
    top, left = int(rng.integers(0, height - rows)), int(rng.integers(0, width - columns))
    erased = pixels.copy()
    erased[top : top + rows, left : left + columns] = rng.integers(0, 256, 3)
    return erased
