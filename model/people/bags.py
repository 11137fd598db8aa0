"""Things carried: backpack, handbag, shoulder bag, suitcase, phone."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, attach, template
from model.people.clothes import ARM, Dressing, X, Y, Z, _tights
from model.people.layers import Layer, plain, solid, superellipsoid, tube
from model.people.materials import ID


def _vector(*values: float) -> Floats:
    return np.array(values, np.float32)


def bag_layers(d: Dressing) -> list[Layer]:
    """The bag of this person, if any, and the phone."""
    makers = {
        "backpack": _backpack,
        "handbag": _handbag,
        "shoulder bag": _shoulder_bag,
        "suitcase": _suitcase,
    }
    layers = makers[d.shape.bag_type](d) if d.shape.bag_type in makers else []
    if d.shape.phone:
        hand = _hand(d, "R")
        head = attach(d.rest.heads[[template().bones["head"]]], "head", d.bones)[0]
        towards = (head - hand) * 0.12
        vertices, quads = superellipsoid(
            hand + towards + _vector(0, 0, 0.03), _vector(0.012, 0.034, 0.065), 0.25, 9
        )
        layers.append(solid("phone", (vertices, quads), ID["phone"]))
    return layers


def _hand(d: Dressing, side: str) -> Floats:
    bones = template().bones
    place: Floats = attach(d.rest.heads[[bones[f"finger3-1.{side}"]]], f"wrist.{side}", d.bones)[0]
    return place


def _thickness(d: Dressing) -> float:
    return {"coat": 0.052, "jacket": 0.046, "hoodie": 0.044, "sweater": 0.034}.get(d.shape.upper_type, 0.026)


def _torso(d: Dressing) -> tuple[Floats, Floats]:
    """Lowest and highest corner of the rest trunk between waist and shoulders."""
    place = template().coordinates[:13380]
    trunk = (place[:, ARM] < 0.05) & (place[:, Z] > 0.3) & (place[:, Z] < 0.66) & (np.abs(place[:, X]) < 0.16)
    inside = d.rest.vertices[:13380][trunk]
    return inside.min(0), inside.max(0)


def _backpack(d: Dressing) -> list[Layer]:
    low, high = _torso(d)
    tall = (high[2] - low[2]) * (0.58 + 0.08 * d.shape.looseness)
    deep = 0.07 + 0.03 * d.shape.hair_length
    middle = (low[2] + high[2]) / 2 + 0.01
    centre = _vector(0, high[1] + deep * 0.85 + _thickness(d) - 0.02, middle)
    main = superellipsoid(centre, _vector(0.15, deep, tall), 0.42, 19)
    pocket = superellipsoid(
        centre + _vector(0, deep * 0.85, -tall * 0.38), _vector(0.115, 0.045, tall * 0.42), 0.45, 13
    )
    top = tube(
        centre
        + _vector(0, -deep * 0.5, tall)
        + np.stack(
            [np.linspace(-0.03, 0.03, 7), 0 * np.arange(7), 0.03 * np.sin(np.linspace(0, np.pi, 7))], 1
        ),
        np.full(7, 0.006),
        6,
    )
    layers = []
    for name, (vertices, quads), material in (
        ("bag", main, "bag"),
        ("bag", pocket, "bag_trim"),
        ("bag", top, "bag_trim"),
    ):
        layers.append(
            solid(name, (attach(vertices.astype(np.float32), "spine02", d.bones), quads), ID[material])
        )

    def strap(c: Floats) -> Floats:
        on = 0.02 - np.abs(np.abs(c[:, X]) - 0.098 - 0.02 * np.clip(0.6 - c[:, Z], 0, 1))
        inside = np.minimum(c[:, Z] - 0.40 - np.clip(c[:, Y], 0, 1), 0.08 - c[:, Y])
        return np.where(c[:, ARM] > 0.35, -1.0, np.minimum(on, inside))

    layers.append(_tights(d, "bag", strap, plain(ID["bag_trim"]), 9, _thickness(d)))
    return layers


def _handles(centre: Floats, width: float, rise: float, axis: int) -> tuple[Floats, np.ndarray]:
    t = np.linspace(0, np.pi, 11)
    path = np.zeros((11, 3), np.float32)
    path[:, axis] = -np.cos(t) * width
    path[:, 2] = np.sin(t) * rise
    return tube(centre + path, np.full(11, 0.008), 6)


def _handbag(d: Dressing) -> list[Layer]:
    hand = _hand(d, "L")
    rise = 0.10
    half = _vector(0.045, 0.13 + 0.04 * d.shape.looseness, 0.095 + 0.03 * d.shape.hair_length)
    centre = hand + _vector(0.02, 0, -rise - half[2] + 0.01)
    top = centre + _vector(0, 0, half[2] * 0.9)
    handles = [_handles(top + _vector(shift, 0, 0), half[1] * 0.5, rise + 0.02, 1) for shift in (-0.02, 0.02)]
    layers = [solid("bag", superellipsoid(centre, half, 0.4, 15), ID["bag"])]
    layers += [solid("bag", handle, ID["bag_trim"]) for handle in handles]
    clasp = superellipsoid(centre + _vector(half[0], 0, half[2] * 0.45), _vector(0.006, 0.02, 0.014), 0.5, 7)
    layers.append(solid("bag", clasp, ID["metal"]))
    return layers


def _shoulder_bag(d: Dressing) -> list[Layer]:
    side = -1.0 if d.shape.crossbody else 1.0
    place = template().coordinates[:13380]
    hip = d.rest.vertices[:13380][
        (np.abs(place[:, Z] - 0.17) < 0.04) & (place[:, ARM] < 0.01) & (place[:, X] > 0)
    ]
    half = _vector(0.05, 0.14 + 0.03 * d.shape.looseness, 0.10 + 0.03 * d.shape.hair_length)
    centre = _vector(side * (hip[:, 0].max() + 0.045 + _thickness(d)), 0.03, float(hip[:, 2].mean()) + 0.0)
    body = superellipsoid(centre, half, 0.38, 15)
    flap = superellipsoid(
        centre + _vector(side * 0.008, 0, half[2] * 0.42), half * _vector(1, 1.03, 0.62), 0.38, 13
    )
    layers = [
        solid("bag", (attach(body[0], "spine05", d.bones), body[1]), ID["bag"]),
        solid("bag", (attach(flap[0], "spine05", d.bones), flap[1]), ID["bag_trim"]),
    ]

    def strap(c: Floats) -> Floats:
        diagonal = (c[:, X] - (c[:, Z] - 0.47) * 0.62) * 0.85
        line = diagonal if d.shape.crossbody else c[:, X] - 0.125
        return np.where(
            c[:, ARM] > 0.4,
            -1.0,
            np.minimum(0.019 - np.abs(line), np.minimum(c[:, Z] - 0.17, 0.74 - c[:, Z])),
        )

    layers.append(_tights(d, "bag", strap, plain(ID["bag_trim"]), 9, _thickness(d)))
    return layers


def _suitcase(d: Dressing) -> list[Layer]:
    hand = _hand(d, "L")
    floor = float(d.rest.vertices[:13380, 2].min())
    half = _vector(0.11, 0.17 + 0.04 * d.shape.looseness, 0.25 + 0.06 * d.shape.hair_length)
    centre = _vector(hand[0] + 0.10, hand[1] + 0.12, floor + half[2] + 0.05)

    def ribs(c: Floats) -> NDArray[np.uint8]:
        groove = np.abs((c[:, Y] - centre[1]) / half[1] * 2.5 % 1.0 - 0.5) < 0.1
        return np.where(
            groove & (np.abs(c[:, Z] - centre[2]) < half[2] * 0.85), ID["bag_trim"], ID["bag"]
        ).astype(np.uint8)

    case = solid("bag", superellipsoid(centre, half, 0.22, 21), ID["bag"])
    layers = [dataclasses.replace(case, paint=ribs)]
    for x in (-0.75, 0.75):
        for y in (-0.7, 0.7):
            wheel = superellipsoid(
                _vector(centre[0] + x * half[0], centre[1] + y * half[1], floor + 0.03),
                _vector(0.014, 0.03, 0.03),
                0.9,
                9,
            )
            layers.append(solid("bag", wheel, ID["phone"]))
    grip = hand + _vector(0, 0, -0.03)
    for shift in (-0.05, 0.05):
        foot = _vector(centre[0], centre[1] + shift, centre[2] + half[2] * 0.9)
        top = grip + _vector(0, shift, 0)
        rod = tube(np.linspace(foot, top, 5).astype(np.float32), np.full(5, 0.008), 6)
        layers.append(solid("bag", rod, ID["metal"]))
    bar = tube(
        np.linspace(grip - _vector(0, 0.06, 0), grip + _vector(0, 0.06, 0), 5).astype(np.float32),
        np.full(5, 0.013),
        8,
    )
    layers.append(solid("bag", bar, ID["phone"]))
    return layers
