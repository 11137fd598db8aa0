"""Scenes behind the people: streets, halls, stations, parks, shops; drawn once, cropped anew each time."""

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SCENES = 28
"""How many scenes of each family exist (per size)."""

_Colour = tuple[int, int, int]
Picture = NDArray[np.float32]


def background(family: str, height: int, width: int, rng: np.random.Generator) -> Picture:
    """A crop (height, width, 3), 0-255, of one of the family's scenes."""
    if family == "plain":
        return np.full((height, width, 3), (204.0, 206.0, 209.0), np.float32)
    number, mirrored = int(rng.integers(SCENES)), rng.random() < 0.5
    picture = scene(family, number, height, width)
    spare_rows, spare_columns = picture.shape[0] - height, picture.shape[1] - width
    top, left = int(rng.integers(spare_rows + 1)), int(rng.integers(spare_columns + 1))
    cut = picture[top : top + height, left : left + width]
    cut = cut[:, ::-1] if mirrored else cut
    scale = rng.uniform(0.82, 1.16) * rng.uniform(0.96, 1.04, 3)
    out: Picture = cut.astype(np.float32) * scale.astype(np.float32)
    return out


@functools.lru_cache(maxsize=256)
def scene(family: str, number: int, height: int, width: int) -> NDArray[np.uint8]:
    """Scene `number` of a family, a little larger than height x width so that it can be cropped."""
    rng = np.random.default_rng([sum(family.encode()), number])
    rows, columns = 288, 216
    image = Image.new("RGB", (columns, rows))
    draw = ImageDraw.Draw(image)
    line = int(rows * rng.uniform(0.34, 0.80))
    _FAMILIES[family](draw, rng, rows, columns, line)
    image = image.filter(ImageFilter.GaussianBlur(1.0))
    if rng.random() < 0.4:
        others = image.copy()
        for _ in range(int(rng.integers(1, 3))):
            _passer_by(ImageDraw.Draw(others), rng, rows, columns, line)
        image = others.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.8, 1.8))))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 2.2))))
    pixels = np.asarray(image, np.float32) + _grain(rng, rows, columns)
    pixels *= np.linspace(rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.1), columns, dtype=np.float32)[
        None, :, None
    ]
    fine = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.asarray(fine.resize((int(width * 1.5), int(height * 1.12)), Image.Resampling.LANCZOS))


def _grain(rng: np.random.Generator, rows: int, columns: int) -> Picture:
    """Uneven surfaces: coarse and fine noise."""
    out = np.zeros((rows, columns), np.float32)
    for cell, strength in ((48, 6.0), (12, 2.5), (3, 1.6)):
        small = rng.normal(0, strength, (rows // cell + 2, columns // cell + 2)).astype(np.float32)
        out += np.asarray(Image.fromarray(small).resize((columns, rows), Image.Resampling.BICUBIC))
    return out[..., None]


def _grey(rng: np.random.Generator, low: int, high: int, tint: float = 8.0) -> _Colour:
    base = rng.uniform(low, high) + rng.normal(0, tint, 3)
    r, g, b = (int(value) for value in np.clip(base, 0, 255))
    return r, g, b


def _shade(colour: _Colour, factor: float) -> _Colour:
    r, g, b = (int(min(255, value * factor)) for value in colour)
    return r, g, b


_VIVID: tuple[_Colour, ...] = (
    (160, 60, 50), (60, 90, 150), (70, 120, 80), (200, 170, 80),
    (120, 80, 60), (90, 90, 95), (210, 210, 205), (40, 44, 52),
)  # fmt: skip


def _any(rng: np.random.Generator) -> _Colour:
    return _VIVID[int(rng.integers(len(_VIVID)))]


def _fade(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], top: _Colour, bottom: _Colour) -> None:
    left, upper, right, lower = box
    for row in range(upper, lower):
        share = (row - upper) / max(1, lower - upper)
        mixed = tuple(int(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        draw.line((left, row, right, row), fill=mixed)


def _tiles(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int, colour: _Colour
) -> None:
    """A floor from `line` down with joints in perspective."""
    _fade(draw, (0, line, columns, rows), _shade(colour, 0.92), _shade(colour, 1.04))
    joint = _shade(colour, float(rng.choice([0.86, 0.93, 1.07])))
    centre, gap = columns * rng.uniform(0.2, 0.8), rng.uniform(26, 60)
    for k in range(-14, 15):
        draw.line((centre + k * gap * 0.35, line, centre + k * gap * 1.9, rows), fill=joint)
    step, row = rng.uniform(5, 11), float(line)
    while row < rows:
        draw.line((0, int(row), columns, int(row)), fill=joint)
        row += step
        step *= 1.3


def _windows(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], wall: _Colour
) -> None:
    left, top, right, bottom = box
    wide, tall, gap = int(rng.integers(14, 34)), int(rng.integers(20, 48)), int(rng.integers(6, 20))
    glass = _shade((96, 112, 128), float(rng.uniform(0.4, 1.3)))
    for x in range(left + gap, right - wide, wide + gap):
        for y in range(top + gap, bottom - tall, tall + gap):
            draw.rectangle(
                (x, y, x + wide, y + tall),
                fill=_shade(glass, float(rng.uniform(0.8, 1.2))),
                outline=_shade(wall, 0.8),
            )


def _street(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int) -> None:
    x = -int(rng.integers(0, 40))
    _fade(draw, (0, 0, columns, line), (196, 208, 220), (214, 216, 216))
    while x < columns:
        wide = int(rng.integers(50, 150))
        wall = _grey(rng, 90, 205, 16)
        top = 0 if rng.random() < 0.75 else int(rng.integers(0, line // 2 + 1))
        draw.rectangle((x, top, x + wide, line), fill=wall)
        _windows(draw, rng, (x, top, x + wide, int(line * rng.uniform(0.55, 0.9))), wall)
        if rng.random() < 0.6:
            door = x + int(rng.integers(4, max(5, wide - 24)))
            draw.rectangle((door, line - int(line * 0.4), door + 20, line), fill=_any(rng))
        if rng.random() < 0.4:
            draw.rectangle((x + 3, int(line * 0.5), x + wide - 3, int(line * 0.58)), fill=_any(rng))
        x += wide
    _tiles(draw, rng, rows, columns, line, _grey(rng, 105, 180, 6))
    kerb = int(line + (rows - line) * rng.uniform(0.08, 0.3))
    draw.rectangle((0, kerb, columns, kerb + 4), fill=_grey(rng, 150, 200, 4))
    if rng.random() < 0.45:
        body, start = _any(rng), int(rng.integers(-60, columns - 40))
        draw.rounded_rectangle((start, kerb - 34, start + 130, kerb), 10, fill=body)
        draw.rounded_rectangle(
            (start + 24, kerb - 54, start + 104, kerb - 28), 10, fill=_shade((80, 92, 104), 0.8)
        )
        for wheel in (start + 24, start + 106):
            draw.ellipse((wheel - 11, kerb - 13, wheel + 11, kerb + 9), fill=(28, 28, 30))
    _poles(draw, rng, rows, columns, line, 0.5)


def _poles(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int, chance: float
) -> None:
    if rng.random() < chance:
        for _ in range(int(rng.integers(1, 3))):
            x, wide = int(rng.integers(0, columns)), int(rng.integers(3, 9))
            colour = _grey(rng, 50, 140, 6)
            draw.rectangle((x, 0, x + wide, line + int(rng.integers(2, 14))), fill=colour)
            draw.line((x + 1, 0, x + 1, line), fill=_shade(colour, 1.25))


def _hall(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int) -> None:
    wall = _grey(rng, 140, 225, 10)
    _fade(draw, (0, 0, columns, line), _shade(wall, 1.06), _shade(wall, 0.92))
    x = int(rng.integers(-20, 40))
    while x < columns:
        wide = int(rng.integers(30, 70))
        kind = rng.random()
        top = int(line * rng.uniform(0.05, 0.35))
        if kind < 0.4:
            draw.rectangle((x, top, x + wide, line), fill=_grey(rng, 70, 190, 18), outline=_shade(wall, 0.7))
            draw.ellipse(
                (x + wide - 8, (top + line) // 2, x + wide - 4, (top + line) // 2 + 5), fill=(200, 196, 180)
            )
        elif kind < 0.65:
            glass = (150, 176, 190)
            draw.rectangle(
                (x, top, x + wide, int(line * 0.85)),
                fill=_shade(glass, float(rng.uniform(0.6, 1.25))),
                outline=(90, 94, 98),
            )
        elif kind < 0.8:
            draw.rectangle((x + 8, top + 10, x + wide - 8, top + 50), fill=_any(rng), outline=(60, 60, 60))
        x += wide + int(rng.integers(6, 50))
    draw.rectangle((0, line - int(rng.integers(3, 9)), columns, line), fill=_shade(wall, 0.72))
    _tiles(draw, rng, rows, columns, line, _grey(rng, 120, 205, 8))


def _station(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int) -> None:
    wall = _grey(rng, 80, 170, 10)
    draw.rectangle((0, 0, columns, line), fill=wall)
    for y in range(0, line, int(rng.integers(12, 26))):
        draw.line((0, y, columns, y), fill=_shade(wall, 0.9))
    if rng.random() < 0.5:
        body = _any(rng)
        top = int(line * 0.15)
        draw.rectangle((0, top, columns, line), fill=_shade(body, 1.1))
        for x in range(int(rng.integers(0, 30)), columns, 62):
            draw.rounded_rectangle((x, top + 14, x + 44, top + 14 + int(line * 0.3)), 5, fill=(44, 52, 62))
        draw.rectangle((0, line - 18, columns, line - 12), fill=_any(rng))
    else:
        for _ in range(int(rng.integers(1, 4))):
            x, y = int(rng.integers(0, columns)), int(rng.integers(0, max(1, line - 50)))
            draw.rectangle(
                (x, y, x + int(rng.integers(24, 70)), y + int(rng.integers(14, 60))),
                fill=_any(rng),
                outline=(40, 40, 40),
            )
    _tiles(draw, rng, rows, columns, line, _grey(rng, 90, 165, 5))
    strip = int(line + (rows - line) * rng.uniform(0.1, 0.35))
    draw.rectangle((0, strip, columns, strip + int(rng.integers(4, 9))), fill=(206, 178, 60))
    for _ in range(int(rng.integers(0, 3))):
        x, wide = int(rng.integers(0, columns)), int(rng.integers(10, 26))
        pillar = _grey(rng, 120, 200, 6)
        for k in range(wide):
            draw.line(
                (x + k, 0, x + k, line + 14),
                fill=_shade(pillar, 0.75 + 0.3 * float(np.sin(np.pi * k / wide))),
            )


def _park(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int) -> None:
    _fade(draw, (0, 0, columns, line), (176, 204, 228), (222, 228, 226))
    for _ in range(int(rng.integers(60, 150))):
        x, y = rng.uniform(0, columns), line * rng.uniform(0.1, 1.0)
        size = rng.uniform(8, 34)
        green = (int(rng.uniform(40, 100)), int(rng.uniform(80, 140)), int(rng.uniform(36, 80)))
        draw.ellipse((x - size, y - size * 0.7, x + size, y + size * 0.6), fill=green)
    for _ in range(int(rng.integers(1, 4))):
        x, wide = int(rng.integers(0, columns)), int(rng.integers(5, 14))
        draw.rectangle(
            (x, int(line * 0.2), x + wide, line + int(rng.integers(0, 16))), fill=_grey(rng, 50, 95, 8)
        )
    grass = (int(rng.uniform(92, 130)), int(rng.uniform(128, 160)), int(rng.uniform(70, 96)))
    _fade(draw, (0, line, columns, rows), _shade(grass, 0.92), grass)
    middle = columns * rng.uniform(0.2, 0.8)
    path = _grey(rng, 150, 200, 8)
    draw.polygon(
        ((middle - 14, line), (middle + 14, line), (middle + 150, rows), (middle - 150, rows)), fill=path
    )
    if rng.random() < 0.35:
        x = int(rng.integers(0, columns))
        wood = (120, 84, 54)
        for y in (line - 18, line - 8, line + 6):
            draw.rectangle((x, y, x + 62, y + 5), fill=wood)
    _poles(draw, rng, rows, columns, line, 0.3)


def _shop(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int) -> None:
    wall = _grey(rng, 160, 230, 8)
    draw.rectangle((0, 0, columns, line), fill=wall)
    x = 0
    while x < columns:
        wide = int(rng.integers(44, 90))
        frame = _grey(rng, 60, 160, 10)
        draw.rectangle((x, 10, x + wide, line), fill=frame)
        y = 16
        while y < line - 12:
            tall = int(rng.integers(18, 34))
            draw.rectangle((x + 3, y, x + wide - 3, y + tall), fill=_shade(frame, 0.7))
            item = x + 5
            while item < x + wide - 10:
                size = int(rng.integers(4, 12))
                draw.rectangle(
                    (item, y + tall - int(rng.integers(6, tall)), item + size, y + tall),
                    fill=_shade(_any(rng), float(rng.uniform(0.8, 1.2))),
                )
                item += size + 2
            y += tall + 5
        x += wide + int(rng.integers(0, 40))
    _tiles(draw, rng, rows, columns, line, _grey(rng, 150, 220, 6))


def _passer_by(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int, line: int
) -> None:
    """A smaller figure further away; it will be blurred."""
    foot = line + (rows - line) * rng.uniform(0.1, 0.5)
    tall = rows * rng.uniform(0.22, 0.5)
    x = rng.uniform(0, columns)
    coat, legs, skin = _any(rng), _grey(rng, 25, 90, 10), (186, 142, 116)
    unit = tall / 8
    draw.rectangle((x - unit * 0.75, foot - unit * 4, x - unit * 0.1, foot), fill=legs)
    draw.rectangle((x + unit * 0.1, foot - unit * 4, x + unit * 0.75, foot), fill=_shade(legs, 0.85))
    draw.rounded_rectangle(
        (x - unit * 1.1, foot - unit * 6.8, x + unit * 1.1, foot - unit * 3.6), unit * 0.6, fill=coat
    )
    draw.ellipse((x - unit * 0.5, foot - unit * 8, x + unit * 0.5, foot - unit * 6.7), fill=skin)
    draw.pieslice(
        (x - unit * 0.55, foot - unit * 8.1, x + unit * 0.55, foot - unit * 6.9), 180, 360, fill=(44, 34, 30)
    )


_FAMILIES = {"street": _street, "hall": _hall, "station": _station, "park": _park, "shop": _shop}
