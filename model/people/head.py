"""Face and hair. Hair never crosses the face: it is cut by a line from the forehead, before the ears, to the
nape.
"""

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, attach, head_mesh, mesh, normals, skin, template
from model.people.clothes import Dressing, X, Y, Z, coordinates, skin_field
from model.people.layers import Layer, Paint, outward, plain, solid, superellipsoid, tube
from model.people.materials import ID

EYE_Z, EYE_X, TOP_Z = 0.869, 0.031, 0.984


def body_layers(d: Dressing) -> list[Layer]:
    """The bare body with its face, and the eyes."""
    quads = template().quads["body"]
    count = int(quads.max()) + 1
    which = np.arange(count)
    vertices = skin(d.rest.vertices[:count], which, d.bones)
    place = template().coordinates[:count]
    layers = [Layer("skin", vertices, quads, place, _face(d), skin_field(d.shape))]
    for side in ("eye_l", "eye_r"):
        own, local = mesh(side)
        eye = skin(d.rest.vertices[own], own, d.bones)
        layers.append(Layer("eye", eye, local, coordinates(side), _eye))
    return layers


def _eye(c: Floats) -> NDArray[np.uint8]:
    seen = np.hypot(np.abs(c[:, X]) - EYE_X, c[:, Z] - EYE_Z) < 0.0085
    return np.where(seen, ID["iris"], ID["eye"]).astype(np.uint8)


def _face(d: Dressing) -> Paint:
    shape = d.shape

    def paint(c: Floats) -> NDArray[np.uint8]:
        out = np.full(len(c), ID["skin"], np.uint8)
        front = (c[:, Z] > 0.77) & (c[:, Y] < -0.06)
        x, z = np.abs(c[:, X]), c[:, Z]
        brow = np.abs(z - (EYE_Z + 0.021 - np.abs(x - 0.034) * 0.15)) < 0.0045
        out[front & brow & (np.abs(x - 0.034) < 0.017)] = ID["brow"]
        out[front & (np.hypot((x) / 0.024, (z - 0.797) / 0.0085) < 1)] = ID["lips"]
        if shape.beard:
            jaw = (
                (z < 0.815 - 0.10 * np.clip(0.03 - x, 0, 1))
                & (z > 0.742)
                & (c[:, Y] < -0.035)
                & (out == ID["skin"])
            )
            mouth = np.hypot(x / 0.03, (z - 0.798) / 0.013) < 1
            out[jaw & ~mouth] = ID["brow"]
            out[front & (np.abs(z - 0.812) < 0.004) & (x < 0.028)] = ID["brow"]
        return out

    return paint


def hair_line(c: Floats, fringe: bool, drop: float) -> Floats:
    """Signed distance above the hair line: forehead, before the ears, down to the nape by `drop`."""
    forehead = EYE_Z + (0.044 if fringe else 0.062)
    back = np.clip((c[:, Y] + 0.105) / 0.075, 0, 1)
    nape = np.clip((c[:, Y] + 0.03) / 0.06, 0, 1)
    line = forehead - back * (forehead - EYE_Z) - nape * (0.045 + drop)
    return np.asarray(c[:, Z] - line)


_DOME = {
    "cap": (EYE_Z + 0.045, EYE_Z + 0.02),
    "hat": (EYE_Z + 0.045, EYE_Z + 0.045),
    "beanie": (EYE_Z + 0.04, EYE_Z - 0.02),
}


def dome_line(c: Floats, headwear: str) -> Floats:
    """Signed distance above the lower edge of a cap, hat or beanie, which may sit lower at the back."""
    front, back = _DOME[headwear]
    share = np.clip((c[:, Y] + 0.14) / 0.2, 0, 1)
    return np.asarray(c[:, Z] - (front + (back - front) * share))


def hair_layers(d: Dressing) -> list[Layer]:
    """Scalp hair of the person's style, plus the fall of long hair, a ponytail or a bun."""
    shape = d.shape
    if shape.hair_style == "bald":
        return []
    own, local = head_mesh(0.74)
    c = template().coordinates[own]
    drop = 0.03 if shape.hair_style != "short" or shape.sex == "woman" else 0.0
    full = {"short": 0.010 + 0.012 * shape.hair_length, "tied": 0.007, "long": 0.013}[shape.hair_style]
    above = np.clip(hair_line(c, shape.fringe, drop) / 0.035, 0, 1)
    thick = (full + 0.012 * shape.curly) * np.sqrt(above) + 0.002
    ears = (np.abs(c[:, X]) > 0.072) & (np.abs(c[:, Y] + 0.03) < 0.05) & (c[:, Z] < 0.9)
    rest = d.rest.vertices[own]
    smoothed = rest + normals(rest, local) * np.where(ears, 0.004, thick)[:, None]
    vertices = skin(smoothed.astype(np.float32), own, d.bones)
    covers = shape.hair_style == "long" or (shape.hair_style == "short" and shape.sex == "woman")

    def field(c: Floats) -> Floats:
        ear = (np.abs(c[:, X]) > 0.074) & (np.abs(c[:, Y] + 0.03) < 0.045) & (c[:, Z] < 0.888)
        grown = np.where(ear & (not covers), -0.01, hair_line(c, shape.fringe, drop))
        return grown if shape.headwear == "none" else np.minimum(grown, 0.006 - dome_line(c, shape.headwear))

    layers = [Layer("hair", vertices, local, c, plain(ID["hair"]), field)]
    if shape.hair_style == "long":
        layers.append(_fall(d))
    elif shape.hair_style == "tied":
        layers += _tied(d)
    return layers


def _head_box(d: Dressing) -> tuple[Floats, Floats]:
    place = template().coordinates[:13380]
    scalp = (place[:, Z] > 0.86) & (np.abs(place[:, X]) < 0.078)
    rest = d.rest.vertices[:13380][scalp]
    return rest.min(0), rest.max(0)


def _fall(d: Dressing) -> Layer:
    """Long hair: a curtain from temple to temple around the back, hanging over the shoulders."""
    shape = d.shape
    low, high = _head_box(d)
    centre = (low + high) / 2
    reach = (high - low) / 2
    rows, columns = 22, 29
    phi = np.linspace(-1.0, 1.0, columns) * np.radians(118)
    length = (0.25 + 0.22 * shape.hair_length) * (high[2] - low[2]) / 0.12 * 0.9
    t = np.linspace(0, 1, rows)[:, None]
    side = np.abs(np.sin(phi))[None]
    wave = 1 + (0.05 if shape.curly else 0.015) * np.sin(phi * 9 + t * (9 if shape.curly else 4))
    dome = np.sqrt(np.clip(1 - np.clip(1 - t * 4.0, 0, 1) ** 2 * 0.55, 0, 1))
    x = np.sin(phi)[None] * (reach[0] + 0.016 + 0.008 * t) * dome * wave
    y = np.cos(phi)[None] * (reach[1] + 0.012) * dome * wave - np.clip(t - 0.45, 0, 1) * 0.03 * (1 - side)
    top = high[2] - 0.015 - 0.028 * side
    tip = 1 - 0.14 * side * (0.5 + 0.5 * shape.bun)
    z = top - t * length * tip - 0.006 * np.sin(phi * 5)[None] * t
    y = y + 0.012 + 0.035 * np.clip(t - 0.35, 0, 1) * (1 - side) + 0.02 * side
    mesh = np.stack([centre[0] + x, centre[1] + y, z + 0 * x], -1).reshape(-1, 3).astype(np.float32)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    quads = np.stack(
        [i * columns + j, i * columns + j + 1, (i + 1) * columns + j + 1, (i + 1) * columns + j], -1
    )
    quads = quads.reshape(-1, 4)
    head, trunk = attach(mesh, "head", d.bones), attach(mesh, "spine01", d.bones)
    blend = np.repeat(np.clip((t[:, 0] - 0.3) / 0.5, 0, 1), columns)[:, None].astype(np.float32)
    posed = head * (1 - blend) + trunk * blend
    place = np.concatenate([mesh, np.full((len(mesh), 2), -1, np.float32)], 1)
    return Layer("hair", posed, outward(posed, quads), place, plain(ID["hair"]), both_sides=True)


def _tied(d: Dressing) -> list[Layer]:
    _, high = _head_box(d)
    back = np.array([0.0, high[1] + 0.012, high[2] - 0.055], np.float32)
    if d.shape.bun:
        centre = back + np.array([0, 0.018, 0.03 * d.shape.hair_length], np.float32)
        vertices, quads = superellipsoid(centre, np.array([0.043, 0.036, 0.04], np.float32), 0.9)
        return [solid("hair", (attach(vertices, "head", d.bones), quads), ID["hair"])]
    t = np.linspace(0, 1, 12)
    length = 0.18 + 0.2 * d.shape.hair_length
    path = back + np.stack([0 * t, 0.05 * np.sin(t * 2.6), 0.02 * np.sin(t * 3) - t**1.4 * length], 1)
    radii = 0.03 * np.sqrt(np.clip(t * 6 + 0.2, 0, 1)) * np.sqrt(np.clip((1.04 - t) * 2.2, 0, 1)) + 0.003
    vertices, quads = tube(path.astype(np.float32), radii.astype(np.float32), 10)
    return [solid("hair", (attach(vertices, "head", d.bones), quads), ID["hair"])]
