"""Caps, hats and beanies on the shape of the head, and glasses; also collars and hoods around the neck."""

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, Ints, attach, head_mesh, normals, skin, template
from model.people.clothes import Dressing, X, Y, Z
from model.people.head import EYE_Z, _head_box, dome_line
from model.people.layers import Layer, outward, plain, solid, superellipsoid, tube
from model.people.materials import ID


def _vector(*values: float) -> Floats:
    return np.array(values, np.float32)


def _around(d: Dressing, low: float, offset: float, relax: bool) -> tuple[Floats, Ints, Floats]:
    """A posed shell over the head or neck (template height above `low`): vertices, quads, template
    coordinates.
    """
    own, local = head_mesh(low)
    c = template().coordinates[own]
    rest = d.rest.vertices[own].copy()
    if relax:  # ears in, so that a cap is round
        ears = (np.abs(c[:, X]) > 0.072) & (c[:, Z] < 0.91)
        rest[ears, 0] *= 0.072 / np.abs(c[ears, X])
    push = normals(rest, local) * offset
    return skin((rest + push).astype(np.float32), own, d.bones), local, c


def headwear_layers(d: Dressing) -> list[Layer]:
    """The cap, hat or beanie, and the glasses."""
    layers: list[Layer] = []
    if d.shape.headwear != "none":
        layers += {"cap": _cap, "hat": _hat, "beanie": _beanie}[d.shape.headwear](d)
    if d.shape.glasses != "none":
        layers += _glasses(d)
    return layers


def _dome(d: Dressing, thick: float, band: float) -> Layer:
    vertices, quads, c = _around(d, 0.83, thick, True)

    def line(c: Floats) -> Floats:
        return dome_line(c, d.shape.headwear)

    def paint(c: Floats) -> NDArray[np.uint8]:
        return np.where(line(c) < band, ID["hat_trim"], ID["hat"]).astype(np.uint8)

    return Layer("hat", vertices, quads, c, paint, line)


def _thick(d: Dressing) -> float:
    return 0.012 if d.shape.hair_style == "bald" else 0.028 if d.shape.hair_style != "tied" else 0.02


def _cap(d: Dressing) -> list[Layer]:
    low, high = _head_box(d)
    tilt = np.linspace(-1, 1, 13)
    rows = []
    wide = (high[0] - low[0]) / 2 + 0.006
    for reach, drop in ((-0.02, 0.0), (0.03, 0.006), (0.06, 0.016), (0.085, 0.03)):
        x = tilt * wide * (1 - 0.12 * (reach > 0.07))
        y = low[1] - reach * np.sqrt(np.clip(1 - 0.75 * tilt**2, 0, 1)) + 0.055 * tilt**2
        z = low[2] + (EYE_Z + 0.052 - 0.86) - drop - 0.018 * tilt**2
        rows.append(np.stack([x, y, z + 0 * x], 1))
    mesh = np.concatenate(rows).astype(np.float32)
    i, j = np.meshgrid(np.arange(3), np.arange(12), indexing="ij")
    quads = np.stack([i * 13 + j, i * 13 + j + 1, (i + 1) * 13 + j + 1, (i + 1) * 13 + j], -1).reshape(-1, 4)
    place = np.concatenate([mesh, np.full((len(mesh), 2), -1, np.float32)], 1)
    brim = Layer("hat", attach(mesh, "head", d.bones), quads, place, plain(ID["hat_trim"]), both_sides=True)
    return [_dome(d, _thick(d), 0.0), brim]


def _hat(d: Dressing) -> list[Layer]:
    low, high = _head_box(d)
    centre, half = (low + high) / 2, (high - low) / 2
    height = low[2] + EYE_Z + 0.05 - 0.86
    phi = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    rows = [
        np.stack(
            [
                centre[0] + np.cos(phi) * (half[0] + r),
                centre[1] + np.sin(phi) * (half[1] + r),
                height - drop + 0.01 * np.cos(2 * phi),
            ],
            1,
        )
        for r, drop in ((-0.01, -0.004), (0.03, 0.0), (0.065, 0.006), (0.085, 0.012))
    ]
    mesh = np.concatenate(rows).astype(np.float32)
    i, j = np.meshgrid(np.arange(3), np.arange(32), indexing="ij")
    k = (j + 1) % 32
    quads = np.stack([i * 32 + j, i * 32 + k, (i + 1) * 32 + k, (i + 1) * 32 + j], -1).reshape(-1, 4)
    place = np.concatenate([mesh, np.full((len(mesh), 2), -1, np.float32)], 1)
    brim = Layer("hat", attach(mesh, "head", d.bones), quads, place, plain(ID["hat"]), both_sides=True)
    return [_dome(d, _thick(d) + 0.006, 0.028), brim]


def _beanie(d: Dressing) -> list[Layer]:
    return [_dome(d, _thick(d) + 0.004, 0.036)]


def _glasses(d: Dressing) -> list[Layer]:
    eyes = d.rest.heads[[template().bones["eye.L"], template().bones["eye.R"]]]
    front = float(d.rest.vertices[np.unique(template().quads["eye_l"]), 1].min()) - 0.014
    layers = []
    phi = np.linspace(0, 2 * np.pi, 17)
    dark = d.shape.glasses == "sunglasses"
    for eye in eyes:
        centre = _vector(eye[0] * 1.06, front, eye[2] - 0.002)
        ring = centre + np.stack([np.cos(phi) * 0.026, 0 * phi, np.sin(phi) * 0.019], 1)
        rim = tube(ring.astype(np.float32), np.full(17, 0.0028), 5)
        layers.append(solid("frame", (attach(rim[0], "head", d.bones), rim[1]), ID["frame"]))
        if dark:
            lens = superellipsoid(centre, _vector(0.026, 0.003, 0.019), 0.8, 9)
            layers.append(solid("lens", (attach(lens[0], "head", d.bones), lens[1]), ID["lens"]))
        arm = np.linspace(
            centre + _vector(np.sign(eye[0]) * 0.026, 0, 0.004),
            _vector(np.sign(eye[0]) * 0.083, front + 0.10, eye[2]),
            6,
        )
        temple = tube(arm.astype(np.float32), np.full(6, 0.0026), 5)
        layers.append(solid("frame", (attach(temple[0], "head", d.bones), temple[1]), ID["frame"]))
    bridge = tube(
        np.linspace(
            _vector(-0.009, front, eyes[0, 2] + 0.004), _vector(0.009, front, eyes[0, 2] + 0.004), 4
        ).astype(np.float32),
        np.full(4, 0.003),
        5,
    )
    layers.append(solid("frame", (attach(bridge[0], "head", d.bones), bridge[1]), ID["frame"]))
    return layers


def collar_layers(d: Dressing) -> list[Layer]:
    """A turned collar for shirts, coats and some jackets; a hood lying on the back for hoodies."""
    if d.shape.upper_type == "hoodie":
        return [_hood(d)]
    if d.shape.upper_type not in ("shirt", "coat", "jacket"):
        return []
    thick = {"shirt": 0.014, "coat": 0.026, "jacket": 0.022}[d.shape.upper_type]
    vertices, quads, c = _around(d, 0.60, thick, False)
    spread = 0.35 if d.shape.upper_type == "shirt" else 0.55

    def field(c: Floats) -> Floats:
        top = 0.748 + 0.45 * (c[:, Y] + 0.02) - c[:, Z]
        low = c[:, Z] - (0.697 + 0.42 * (c[:, Y] + 0.02))
        gap = np.where(
            c[:, Y] < -0.02, np.abs(c[:, X]) - 0.008 - np.clip(c[:, Z] - 0.655, 0, 1) * spread, 1.0
        )
        near = 0.105 - np.hypot(c[:, X], c[:, Y] + 0.02)
        return np.asarray(np.minimum.reduce([top, low, gap, near]))

    return [
        Layer("upper_trim", vertices, quads, c, plain(ID["upper_trim"]), field, both_sides=True, slack=0.03)
    ]


def _hood(d: Dressing) -> Layer:
    neck = d.rest.heads[template().bones["neck01"]]
    phi = np.linspace(-1, 1, 23) * np.radians(150)
    back = (np.cos(phi) + 1) / 2
    path = np.stack(
        [
            np.sin(phi) * (0.085 + 0.025 * back),
            neck[1] + 0.01 + np.cos(phi) * (0.075 + 0.02 * back),
            neck[2] - 0.035 + 0.02 * back - 0.02 * (1 - back),
        ],
        1,
    )
    radii = 0.016 + 0.034 * back**1.5
    vertices, quads = tube(path.astype(np.float32), radii.astype(np.float32), 12, 1.0)
    vertices = vertices - np.repeat(back, 12)[:, None] * _vector(0, -0.012, 0.02)
    posed = attach(vertices.astype(np.float32), "spine01", d.bones)
    return solid("upper", (posed, outward(posed, quads)), ID["upper"])
