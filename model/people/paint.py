"""Colours, lights and degrades a rendered view: the picture a named camera takes of a person with a look."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.people.backgrounds import background
from model.people.cameras import Camera
from model.people.looks import Look
from model.people.materials import ID, MATERIALS
from model.people.view import View

_GLOSS = np.zeros(len(MATERIALS), np.float32)
for _name, _value in {
    "shoes": 0.10,
    "bag": 0.10,
    "bag_trim": 0.08,
    "hair": 0.08,
    "metal": 0.3,
    "lens": 0.3,
    "skin": 0.04,
}.items():
    _GLOSS[ID[_name]] = _value


def paint(view: View, look: Look, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (height, width, 3), sRGB 0-255; `rng` draws background, light, blur, noise and JPEG
    quality.
    """
    height, width = view.first.shape
    light = _light(view, camera, rng)
    colours = _colours(look)
    second = colours[view.second]
    first = colours[view.first]
    _draw_pattern(first, view, view.first, look)
    if look.pattern != "plain":
        _draw_pattern(second, view, view.second, look)
    scene = background(camera.background, height, width, rng)
    scene *= 1.0 - (0.5 * camera.strength / 255.0) * view.shadow[..., None]
    person = view.first > 0
    picture = np.where(person[..., None], first * light, scene)
    share = view.share[..., None] * np.float32(1 / 255)
    edge = view.share < 255
    behind = np.where((view.second[edge] > 0)[:, None], second[edge] * light[edge], scene[edge])
    picture[edge] = picture[edge] * share[edge] + behind * (1 - share[edge])
    return _camera_picture(picture, camera, rng)


def _colours(look: Look) -> NDArray[np.float32]:
    return np.array([look.rgb[name] for name in MATERIALS], np.float32)


def _light(view: View, camera: Camera, rng: np.random.Generator) -> NDArray[np.float32]:
    """How much light each pixel sends back (h, w, 3)."""
    towards = np.array(camera.light) + rng.normal(0, 0.15 if camera.strength and camera.noise[1] else 0.0, 3)
    towards = (towards / np.linalg.norm(towards)).astype(np.float32) / 127
    flat = view.normal.reshape(-1, 3).astype(np.float32)
    main = np.maximum(flat @ towards, 0).reshape(view.first.shape)
    above = flat[:, 2].reshape(view.first.shape) * np.float32(1 / 127)
    rim = np.maximum(flat[:, 1].reshape(view.first.shape) * np.float32(1 / 127) + 0.75, 0)
    sky = view.open_sky * np.float32(1 / 255)
    diffuse = sky * (camera.ambient + 0.10 * above) + main * (camera.strength * (0.35 + 0.65 * sky))
    gloss = _GLOSS[view.first] * (main**8 * 2.5 + rim * 0.6)
    level = (diffuse + gloss)[..., None]
    warm = np.array([1.02, 1.0, 0.98], np.float32)
    return np.asarray(level * warm, np.float32)


def _draw_pattern(colour: NDArray[np.float32], view: View, material: NDArray[np.uint8], look: Look) -> None:
    """Give the second colour to the pattern's part of the upper garment, in place."""
    if look.pattern == "plain":
        return
    row, column = np.nonzero((material == ID["upper"]) | (material == ID["upper_trim"]))
    place = view.pattern[row, column].astype(np.float32)
    around, up = place[:, 0] / look.pattern_width, place[:, 1] / look.pattern_width
    if look.pattern == "striped":
        strength = _band(up, 0.42)
    elif look.pattern == "vertical stripes":
        strength = _band(around * 1.4, 0.32)
    elif look.pattern == "checked":
        strength = 0.5 * _band(up * 0.9, 0.36) + 0.5 * _band(around * 0.9, 0.36)
    else:
        half_wide, half_tall = look.logo
        inside = (np.abs(place[:, 0]) < half_wide) & (np.abs(place[:, 1] - 0.50) < half_tall)
        strength = inside.astype(np.float32)
    mixed = colour[row, column]
    colour[row, column] = mixed + strength[:, None] * (np.array(look.second, np.float32) - mixed)


def _band(place: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Bands of `width` (share of a period) with soft edges: 0 between them, 1 inside."""
    return np.asarray(np.clip((width / 2 - np.abs(place % 1.0 - 0.5)) * 9.0 + 0.5, 0, 1), np.float32)


def _camera_picture(
    picture: NDArray[np.float32], camera: Camera, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Tint, haze, gamma, resolution, noise and JPEG of this camera."""
    height, width = picture.shape[:2]
    steady = camera.noise[1] == 0
    exposure = 1.0 if steady else float(rng.uniform(0.88, 1.12))
    gain = np.array(camera.tint, np.float32) * exposure * (1 - camera.haze)
    picture = np.asarray(picture * gain + camera.haze * 150.0, np.float32)
    if camera.gamma != 1.0:
        table = 255.0 * (np.arange(1024, dtype=np.float32) / 1023) ** np.float32(camera.gamma)
        picture = table[np.clip(picture * (1023 / 255), 0, 1023).astype(np.int32)]
    resolved = float(rng.uniform(*camera.sharpness))
    if resolved < 0.97:
        image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        small = (max(8, round(width * resolved)), max(16, round(height * resolved)))
        image = image.resize(small, Image.Resampling.BILINEAR).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        picture = np.asarray(image, np.float32)
    noise = float(rng.uniform(*camera.noise))
    if noise > 0:
        picture = picture + rng.standard_normal(picture.shape, np.float32) * noise
    out = np.clip(picture, 0, 255).astype(np.uint8)
    quality = int(rng.integers(camera.quality[0], camera.quality[1] + 1))
    if quality >= 95:
        return out
    stream = io.BytesIO()
    Image.fromarray(out).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream))
