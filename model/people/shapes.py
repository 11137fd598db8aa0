"""Who the person is and what they wear, as far as it changes geometry: `Shape` and how one is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DOMAINS = ("base", "shifted")


@dataclass(frozen=True)
class Shape:
    """Everything of one person that changes geometry; colours and patterns are in `model.people.looks.Look`.

    `age`, `weight`, `height` are positions in the body model's range (0..1; age .62 young, .85 old). Lengths
    (`lower_length`, `upper_length`) are metres that a hem moves down (+) or up (-) from its usual place.
    """

    sex: str
    age: float
    weight: float
    height: float
    hair_style: str
    hair_length: float
    bun: bool
    curly: bool
    fringe: bool
    beard: bool
    upper_type: str
    sleeves: str
    upper_open: bool
    tucked: bool
    upper_length: float
    looseness: float
    lower_type: str
    lower_length: float
    leg_cut: str
    shoes_type: str
    socks: bool
    bag_type: str
    crossbody: bool
    headwear: str
    glasses: str
    phone: bool


def _pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    names = list(weights)
    share = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=share / share.sum()))]


_UPPER: dict[str, dict[str, float]] = {
    "base": {"t-shirt": 27, "shirt": 18, "jacket": 17, "hoodie": 11, "coat": 9, "sweater": 11, "tank top": 7},
    "shifted": {
        "t-shirt": 15,
        "shirt": 16,
        "jacket": 24,
        "hoodie": 13,
        "coat": 18,
        "sweater": 11,
        "tank top": 3,
    },
}
_LOWER: dict[str, dict[str, dict[str, float]]] = {
    "base": {
        "man": {"trousers": 45, "jeans": 31, "shorts": 24},
        "woman": {"trousers": 32, "jeans": 24, "shorts": 11, "skirt": 18, "dress": 15},
    },
    "shifted": {
        "man": {"trousers": 55, "jeans": 35, "shorts": 10},
        "woman": {"trousers": 42, "jeans": 26, "shorts": 4, "skirt": 17, "dress": 11},
    },
}
_HAIR: dict[str, dict[str, float]] = {
    "man": {"short": 84, "bald": 8, "tied": 3, "long": 5},
    "woman": {"long": 50, "tied": 30, "short": 20},
}
_SLEEVES: dict[str, dict[str, float]] = {
    "t-shirt": {"short": 100},
    "shirt": {"short": 35, "long": 65},
    "tank top": {"none": 100},
    "dress": {"none": 35, "short": 45, "long": 20},
}
_BAG: dict[str, dict[str, float]] = {
    "base": {"none": 44, "backpack": 23, "handbag": 11, "shoulder bag": 16, "suitcase": 6},
    "shifted": {"none": 34, "backpack": 22, "handbag": 14, "shoulder bag": 16, "suitcase": 14},
}


def sample_shape(rng: np.random.Generator, domain: str) -> Shape:
    """Draw one person's geometry; the same generator state gives the same person."""
    if domain not in DOMAINS:
        raise ValueError(f"domain must be one of {DOMAINS}, not {domain!r}")
    sex = "man" if rng.random() < 0.5 else "woman"
    lower = _pick(rng, _LOWER[domain][sex])
    upper = _pick(rng, _UPPER[domain])
    if lower == "dress":
        upper = "dress"
    hair = _pick(rng, _HAIR[sex])
    chance = rng.random(12)
    return Shape(
        sex=sex,
        age=float(rng.uniform(0.62, 0.85)),
        weight=float(rng.uniform(0.3, 0.75)),
        height=float(rng.uniform(0.3, 0.7)),
        hair_style=hair,
        hair_length=float(rng.uniform(0.0, 1.0)),
        bun=bool(chance[0] < 0.45),
        curly=bool(hair != "bald" and chance[1] < 0.15),
        fringe=bool(chance[2] < 0.4),
        beard=bool(sex == "man" and chance[3] < 0.25),
        upper_type=upper,
        sleeves=_pick(rng, _SLEEVES.get(upper, {"long": 1.0})),
        upper_open=bool(upper in ("jacket", "coat", "hoodie", "shirt") and chance[4] < _OPEN[upper]),
        tucked=bool(upper in ("shirt", "t-shirt", "tank top") and chance[5] < 0.25),
        upper_length=float(rng.uniform(-0.04, 0.03)),
        looseness=float(rng.uniform(0.0, 1.0)),
        lower_type=lower,
        lower_length=float(rng.uniform(-1.0, 1.0)),
        leg_cut=_pick(rng, {"slim": 3, "straight": 5, "wide": 3, "flared": 1}),
        shoes_type=_shoes(rng, sex, lower),
        socks=bool(chance[6] < 0.5),
        bag_type=_pick(rng, _BAG[domain]),
        crossbody=bool(chance[7] < 0.5),
        headwear=_pick(rng, {"none": 76, "cap": 12, "hat": 5, "beanie": 7}),
        glasses=_pick(rng, {"none": 76, "glasses": 17, "sunglasses": 7}),
        phone=bool(chance[8] < 0.15),
    )


_OPEN = {"jacket": 0.6, "coat": 0.55, "hoodie": 0.15, "shirt": 0.12}


def _shoes(rng: np.random.Generator, sex: str, lower: str) -> str:
    bare = lower in ("shorts", "skirt", "dress")
    weights = {
        "sneakers": 52,
        "boots": 6 if lower == "shorts" else 16,
        "dress shoes": 22,
        "sandals": 22 if bare else 4,
    }
    if sex == "man" and lower == "shorts":
        weights["dress shoes"] = 5
    return _pick(rng, weights)
