"""How a person's shape is coloured: `Look` and how one is drawn. No geometry here."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from model.people.colours import COLOURS, Rgb
from model.people.shapes import DOMAINS, Shape

HAIR_COLOURS: dict[str, Rgb] = {
    "black": (34, 31, 32),
    "dark brown": (62, 44, 34),
    "brown": (104, 70, 44),
    "blond": (206, 168, 104),
    "red": (150, 74, 36),
    "grey": (152, 150, 148),
}
SKINS: tuple[Rgb, ...] = (
    (236, 194, 168),
    (224, 176, 148),
    (204, 154, 122),
    (170, 118, 86),
    (126, 84, 60),
    (92, 62, 46),
)
JEANS: dict[str, Rgb] = {
    "blue": (62, 96, 152),
    "navy": (44, 56, 92),
    "light blue": (136, 168, 206),
    "black": (36, 36, 41),
    "grey": (124, 127, 132),
}
METAL_OR_DARK: dict[str, Rgb] = {
    "eye": (238, 236, 232),
    "metal": (172, 174, 178),
    "phone": (28, 28, 32),
    "lens": (24, 24, 28),
    "frame": (34, 30, 30),
}


@dataclass(frozen=True)
class Look:
    """Colours of one person: `names` per garment (upper, inner, lower, shoes, bag, hat, hair: words of
    `COLOURS` and `HAIR_COLOURS`), `rgb` per material, `second` the second colour of patterned materials,
    `pattern` of the upper garment (plain, striped, vertical stripes, checked, logo) with its colour's name
    and its width in metres.
    """

    names: dict[str, str]
    rgb: dict[str, Rgb]
    second: Rgb
    pattern: str
    pattern_colour: str
    pattern_width: float
    logo: tuple[float, float]


_POPULAR: dict[str, dict[str, dict[str, float]]] = {
    "base": {
        "upper": {"black": 8, "white": 8, "grey": 4, "light grey": 2, "dark grey": 3, "navy": 4, "blue": 4,
                  "light blue": 4, "red": 4, "beige": 2, "pink": 2, "green": 2, "yellow": 1.5, "maroon": 1.5},
        "lower": {"black": 8, "navy": 5, "khaki": 4, "beige": 3, "dark grey": 3, "grey": 3, "white": 2,
                  "blue": 2, "brown": 2, "olive": 2},
        "shoes": {"black": 9, "white": 8, "brown": 4, "grey": 3, "red": 1.5, "blue": 1, "tan": 1, "navy": 1},
        "bag": {"black": 8, "brown": 3, "navy": 2, "red": 2, "grey": 2, "white": 1.5, "tan": 2, "blue": 1,
                "green": 1},
    },
    "shifted": {
        "upper": {"black": 12, "dark grey": 6, "navy": 6, "olive": 4, "brown": 4, "beige": 4, "khaki": 3,
                  "maroon": 3, "teal": 2, "dark green": 3, "white": 3, "orange": 2, "purple": 2},
        "lower": {"black": 12, "navy": 6, "dark grey": 6, "brown": 3, "olive": 3, "grey": 2, "tan": 2},
        "shoes": {"black": 12, "brown": 6, "white": 4, "tan": 2, "dark grey": 2},
        "bag": {"black": 10, "brown": 5, "dark grey": 3, "olive": 2, "navy": 2, "maroon": 2, "orange": 1},
    },
}  # fmt: skip
_FLOOR = {"upper": 0.45, "lower": 0.28, "shoes": 0.10, "bag": 0.30}
_KIND = {"inner": "upper", "hat": "bag"}


def _colour_name(rng: np.random.Generator, garment: str, domain: str) -> str:
    kind = _KIND.get(garment, garment)
    popular = _POPULAR[domain][kind]
    names = list(COLOURS)
    weights = np.array([popular.get(name, 0.0) for name in names])
    share = (1 - _FLOOR[kind]) * weights / weights.sum() + _FLOOR[kind] / len(names)
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def _near(rng: np.random.Generator, centre: Rgb, spread: float) -> Rgb:
    light = float(rng.normal(0, spread * 0.6))
    value = np.array(centre) + light + rng.normal(0, spread * 0.4, 3)
    r, g, b = np.clip(value, 6, 250).astype(int)
    return int(r), int(g), int(b)


def _toned(rgb: Rgb, factor: float) -> Rgb:
    r, g, b = (int(min(250, value * factor)) for value in rgb)
    return r, g, b


def sample_look(rng: np.random.Generator, shape: Shape, domain: str) -> Look:
    """Draw colours and a pattern for `shape`; the same generator state gives the same look."""
    if domain not in DOMAINS:
        raise ValueError(f"domain must be one of {DOMAINS}, not {domain!r}")
    names = {
        part: _colour_name(rng, part, domain) for part in ("upper", "inner", "lower", "shoes", "bag", "hat")
    }
    if shape.lower_type == "jeans":
        names["lower"] = str(rng.choice(list(JEANS), p=[0.42, 0.25, 0.15, 0.12, 0.06]))
    if shape.upper_open and names["inner"] == names["upper"]:
        names["inner"] = "white" if names["upper"] != "white" else "black"
    old = shape.age > 0.8
    hair = list(HAIR_COLOURS)
    share = np.array([0.30, 0.22, 0.18, 0.14, 0.06, 0.10 if not old else 0.55])
    names["hair"] = hair[int(rng.choice(len(hair), p=share / share.sum()))]
    rgb = {
        part: _near(rng, COLOURS[names[part]].rgb, COLOURS[names[part]].spread)
        for part in names
        if part != "hair"
    }
    if shape.lower_type == "jeans":
        rgb["lower"] = _near(rng, JEANS[names["lower"]], 6)
    rgb["hair"] = _near(rng, HAIR_COLOURS[names["hair"]], 5)
    rgb |= _details(rng, shape, rgb)
    pattern, second = _pattern(rng, shape, names["upper"])
    return Look(
        names,
        rgb,
        COLOURS[second].rgb,
        pattern,
        second,
        float(rng.uniform(0.035, 0.08)),
        (float(rng.uniform(0.05, 0.085)), float(rng.uniform(0.03, 0.07))),
    )


def _details(rng: np.random.Generator, shape: Shape, rgb: Mapping[str, Rgb]) -> dict[str, Rgb]:
    tone = SKINS[int(rng.choice(len(SKINS), p=[0.2, 0.25, 0.2, 0.14, 0.12, 0.09]))]
    skin = _near(rng, tone, 5)
    pale_sole = shape.shoes_type == "sneakers" and rng.random() < 0.6
    trim = _toned(rgb["upper"], float(rng.choice([0.86, 0.92, 1.06])))
    socks = COLOURS[str(rng.choice(["white", "black", "grey"]))].rgb
    dark_button = sum(rgb["upper"]) > 330
    out: dict[str, Rgb] = {
        "skin": skin,
        "iris": (70, 48, 32) if rng.random() < 0.7 else (66, 92, 120),
        "brow": _toned(rgb["hair"], 0.8),
        "lips": (int(skin[0] * 0.82), int(skin[1] * 0.62), int(skin[2] * 0.64)),
        "upper_trim": trim,
        "fastening": (48, 46, 46) if dark_button else (196, 194, 190),
        "belt": (44, 34, 28) if sum(rgb["lower"]) > 150 else (96, 66, 42),
        "sole": (226, 225, 220) if pale_sole else _toned(rgb["shoes"], 0.6),
        "socks": socks,
        "bag_trim": _toned(rgb["bag"], 0.82),
        "hat_trim": _toned(rgb["hat"], 0.88),
        "occluder": _near(rng, (112, 112, 114), 40),
        "background": (128, 128, 128),
    }
    return out | METAL_OR_DARK


def _pattern(rng: np.random.Generator, shape: Shape, upper: str) -> tuple[str, str]:
    """Pattern of the upper garment and the name of its second colour, well apart from the first."""
    kinds = {
        "t-shirt": (0.52, 0.16, 0.02, 0.04, 0.26),
        "shirt": (0.58, 0.05, 0.15, 0.22, 0.0),
        "sweater": (0.70, 0.22, 0.0, 0.03, 0.05),
        "hoodie": (0.72, 0.02, 0.0, 0.0, 0.26),
        "dress": (0.76, 0.10, 0.05, 0.09, 0.0),
        "tank top": (0.74, 0.12, 0.0, 0.0, 0.14),
    }.get(shape.upper_type, (0.95, 0.0, 0.0, 0.05, 0.0))
    pattern = str(rng.choice(["plain", "striped", "vertical stripes", "checked", "logo"], p=kinds))
    if pattern == "logo" and shape.upper_open:
        pattern = "plain"
    first = np.array(COLOURS[upper].rgb)
    far = [name for name, colour in COLOURS.items() if np.abs(np.array(colour.rgb) - first).sum() > 190]
    weights = np.array([5.0 if name in ("white", "black", "navy", "red") else 1.0 for name in far])
    return pattern, far[int(rng.choice(len(far), p=weights / weights.sum()))]
