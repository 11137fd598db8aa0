"""Garments as shells around the body, cut by smooth lines in template coordinates.

Landmarks on the average body (metres): sole -.82, ankle -.74, knee -.30, crotch .03, hip .15, waist .33,
chest .52, neck base .72. Sleeves are cut by the coordinate along the arm (0 shoulder, 1 elbow, 2 wrist).
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, Ints, RestBody, mesh, normals, relaxed, skin, template
from model.people.layers import Field, Layer, Paint, plain
from model.people.materials import ID
from model.people.shapes import Shape

X, Y, Z, ALONG, ARM = range(5)
SLEEVE = {"none": -0.2, "short": 0.72, "long": 1.93}
_HEM = {
    "t-shirt": 0.085,
    "shirt": 0.075,
    "jacket": 0.07,
    "hoodie": 0.085,
    "coat": -0.3,
    "sweater": 0.095,
    "tank top": 0.095,
    "dress": -0.26,
}
_OFFSET = {
    "t-shirt": 0.014,
    "shirt": 0.016,
    "jacket": 0.03,
    "hoodie": 0.028,
    "coat": 0.034,
    "sweater": 0.022,
    "tank top": 0.009,
    "dress": 0.012,
}
_LEG_OFFSET = {
    "slim": (0.007, 0.008),
    "straight": (0.011, 0.022),
    "wide": (0.015, 0.044),
    "flared": (0.008, 0.03),
}


@dataclass(frozen=True)
class Dressing:
    """One posed person to be dressed: rest body, bone transforms and the shape."""

    shape: Shape
    rest: RestBody
    bones: Floats


def both(*fields: Field) -> Field:
    """Where all fields hold."""
    return lambda c: np.minimum.reduce([field(c) for field in fields])


def upper_hem(shape: Shape) -> float:
    """Height of the upper garment's hem in template coordinates."""
    if shape.tucked:
        return 0.262  # just under the belt
    if shape.upper_type == "dress":
        return _HEM["dress"] + 0.14 * shape.lower_length
    if shape.upper_type == "coat":
        return _HEM["coat"] + 0.12 * shape.lower_length
    return _HEM[shape.upper_type] - shape.upper_length


def neckline(shape: Shape) -> Field:
    """Below the neck opening: a tilted plane, deeper and with a V for open collars, scooped for tank tops."""
    height, slope, depth = 0.712, 0.42, 0.0
    if shape.upper_type in ("shirt", "jacket", "coat"):
        height, slope, depth = 0.725, 0.35, 0.08
    elif shape.upper_type in ("tank top", "dress"):
        height, slope, depth = 0.705, 0.62, 0.0
    elif shape.upper_type in ("hoodie", "sweater"):
        height, slope = 0.735, 0.45

    def field(c: Floats) -> Floats:
        plane = height + slope * (c[:, Y] + 0.02) - c[:, Z]
        if depth:
            front = c[:, Y] < -0.02
            vee = np.abs(c[:, X]) * 0.9 - (c[:, Z] - (height - 0.045 - depth)) * 0.45
            plane = np.where(front, np.minimum(plane, vee), plane)
        return plane

    return field


def sleeve(shape: Shape, longer: float = 0.0) -> Field:
    """Up to the sleeve's end along the arm; without sleeves an armhole over the shoulder."""
    end = SLEEVE[shape.sleeves] + longer
    if shape.sleeves == "none":

        def armhole(c: Floats) -> Floats:
            inner = 0.148 if shape.upper_type == "dress" else 0.135
            hole = inner + np.maximum(0, 0.56 - c[:, Z]) * 1.6 - np.abs(c[:, X])
            return np.asarray(np.minimum(hole, 0.5 - c[:, ARM]))

        return armhole

    return lambda c: np.where(c[:, ARM] > 0.02, (end - c[:, ALONG]) * 0.28, 1.0)


def above(height: float) -> Field:
    """Above a height of the template; hands never count."""
    return lambda c: np.where(c[:, ARM] > 0.5, 1.0, c[:, Z] - height)


def open_front(shape: Shape) -> Field:
    """Off the strip in front that an open garment leaves free, wider towards its hem."""
    wide = 0.028 + 0.05 * shape.looseness

    def field(c: Floats) -> Floats:
        gap = wide + np.clip(0.62 - c[:, Z], -0.1, 1.0) * 0.05
        return np.where((c[:, Y] < -0.01) & (c[:, ARM] < 0.3), np.abs(c[:, X]) - gap, 1.0)

    return field


def upper_field(shape: Shape) -> Field:
    """Where the upper garment is."""
    parts = [neckline(shape), sleeve(shape), above(upper_hem(shape))]
    if shape.upper_open:
        parts.append(open_front(shape))
    return both(*parts)


def lower_field(shape: Shape) -> Field:
    """Where the lower garment is on the legs (skirts: on the skirt, up to the hem of what hangs over it)."""
    top = 0.29 if shape.tucked else 0.27
    if shape.lower_type == "skirt" and not shape.tucked:
        top = min(top, upper_hem(shape) + 0.015)
    hem = lower_hem(shape)
    return lambda c: np.where(c[:, ARM] > 0.02, -1.0, np.minimum(c[:, Z] - hem, top - c[:, Z]))


def lower_hem(shape: Shape) -> float:
    """Height of the lower garment's hem in template coordinates."""
    if shape.lower_type == "shorts":
        return -0.2 + 0.09 * shape.lower_length
    if shape.lower_type == "skirt":
        return -0.22 + 0.2 * shape.lower_length
    if shape.shoes_type == "boots" and shape.leg_cut == "slim":
        return -0.64  # tucked into the shaft
    return -0.765 if shape.lower_length > -0.8 or shape.leg_cut == "wide" else -0.66


def _shell(d: Dressing, name: str, rounds: int, offset: Floats | float) -> tuple[Floats, Ints]:
    """A posed shell around a helper mesh: relaxed, pushed out along its normals; vertices and local quads."""
    which, quads = mesh(name)
    bare = relaxed(d.rest, name, rounds)
    pushed = bare + normals(bare, quads) * np.asarray(offset)[..., None]
    return skin(pushed.astype(np.float32), which, d.bones), quads


def coordinates(name: str) -> Floats:
    """Template coordinates of a mesh's own vertices."""
    return template().coordinates[mesh(name)[0]]


def _tights(d: Dressing, name: str, field: Field, paint: Paint, rounds: int, offset: Floats | float) -> Layer:
    vertices, quads = _shell(d, "tights", rounds, offset)
    return Layer(name, vertices, quads, coordinates("tights"), paint, field, cloth=True)


def lower_layers(d: Dressing) -> list[Layer]:
    """Trousers, jeans, shorts or skirt (a dress brings its own)."""
    shape = d.shape
    if shape.upper_type == "dress":
        return []
    c = coordinates("tights")
    if shape.lower_type == "skirt":
        offset = 0.012 + 0.03 * shape.looseness * np.clip(0.2 - coordinates("skirt")[:, Z], 0, 0.6)
        vertices, quads = _shell(d, "skirt", 6, offset)
        on_skirt = Layer(
            "lower",
            vertices,
            quads,
            coordinates("skirt"),
            _lower_paint(shape),
            lower_field(shape),
            cloth=True,
            both_sides=True,
        )
        seat = both(lower_field(shape), above(0.08))
        return [on_skirt, _tights(d, "lower", seat, _lower_paint(shape), 6, 0.011)]
    cut = "wide" if shape.lower_type == "shorts" and shape.leg_cut != "slim" else shape.leg_cut
    low, high = _LEG_OFFSET[cut]
    start, reach = (-0.25, 0.45) if cut == "flared" else (0.08, 0.6)
    offset = low + (high - low) * np.clip((start - c[:, Z]) / reach, 0, 1)
    return [_tights(d, "lower", lower_field(shape), _lower_paint(shape), 3 if cut == "slim" else 7, offset)]


def _lower_paint(shape: Shape) -> Paint:
    belted = shape.tucked and shape.lower_type != "skirt"

    def paint(c: Floats) -> NDArray[np.uint8]:
        out = np.full(len(c), ID["lower"], np.uint8)
        if belted:
            out[c[:, Z] > 0.255] = ID["belt"]
        return out

    return paint


def upper_paint(shape: Shape) -> Paint:
    """Cloth, with a button or zip line in front of shirts, jackets and coats and ribbed ends on some."""
    lined = shape.upper_type in ("shirt", "jacket", "coat") and not shape.upper_open
    ribbed = shape.upper_type in ("hoodie", "sweater")
    hem = upper_hem(shape)

    def paint(c: Floats) -> NDArray[np.uint8]:
        out = np.full(len(c), ID["upper"], np.uint8)
        front = (c[:, Y] < -0.02) & (c[:, ARM] < 0.3)
        if ribbed:
            out[(c[:, ALONG] > SLEEVE[shape.sleeves] - 0.16) & (c[:, ARM] > 0.5)] = ID["upper_trim"]
            out[(c[:, Z] < hem + 0.045) & (c[:, ARM] < 0.3)] = ID["upper_trim"]
        if lined and shape.upper_type == "shirt":
            spot = (np.abs(c[:, X]) < 0.006) & (np.abs((c[:, Z] * 11) % 1 - 0.5) < 0.09)
            out[front & spot] = ID["fastening"]
        elif lined:
            out[front & (np.abs(c[:, X]) < 0.005)] = ID["fastening"]
        return out

    return paint


def upper_layers(d: Dressing) -> list[Layer]:
    """The upper garment, what shows under an open one, collar and hood come from `model.people.collars`."""
    shape = d.shape
    c = coordinates("tights")
    loose = 0.6 + 0.8 * shape.looseness
    offset = np.full(len(c), _OFFSET[shape.upper_type] * loose)
    hang = np.clip((0.5 - c[:, Z]) / 0.35, 0, 1) * (c[:, ARM] < 0.3)
    if shape.tucked:
        offset = np.where(c[:, Z] < 0.34, 0.004, offset)
    elif shape.upper_type not in ("tank top", "dress"):
        offset = offset + hang * 0.016 * loose
    sleeves = (c[:, ARM] > 0.3) & (c[:, ALONG] > 0.3)
    if shape.sleeves == "short":
        offset = offset + sleeves * 0.01 * loose
    field, paint = upper_field(shape), upper_paint(shape)
    rounds = {"tank top": 3, "dress": 5}.get(shape.upper_type, 9)
    layers = [_tights(d, "upper", field, paint, rounds, offset)]
    if shape.upper_type in ("coat", "dress"):
        layers.append(_upper_skirt(d, field, paint, loose))
    if shape.upper_open:
        hem = 0.12 if shape.upper_type != "shirt" else 0.15
        under = dataclasses.replace(shape, upper_type="t-shirt", sleeves="none", upper_open=False)
        gap = open_front(shape)
        bare = both(neckline(under), above(hem), lambda c: 0.03 - gap(c))
        layers.append(_tights(d, "inner", bare, plain(ID["inner"]), 4, 0.011))
    return layers


def _upper_skirt(d: Dressing, field: Field, paint: Paint, loose: float) -> Layer:
    coat = d.shape.upper_type == "coat"
    place = coordinates("skirt")
    offset = (0.036 if coat else 0.012) * loose + 0.05 * d.shape.looseness * np.clip(
        0.2 - place[:, Z], 0, 0.6
    )
    vertices, quads = _shell(d, "skirt", 6, offset)
    return Layer("upper", vertices, quads, place, paint, field, cloth=True, both_sides=True)


def skin_field(shape: Shape) -> Field:
    """Where the bare body shows: not under clothes (but for a finger's breadth at hems) nor in shoes."""
    cover = [upper_field(shape)]
    if shape.upper_type != "dress" and shape.lower_type != "skirt":
        cover.append(lower_field(shape))
    if shape.upper_open:
        cover.append(lambda c: np.where(c[:, ARM] < 0.3, np.minimum(c[:, Z] - 0.15, 0.66 - c[:, Z]), -1.0))
    shoe = -0.765 if shape.shoes_type == "sandals" else -0.745

    def field(c: Floats) -> Floats:
        covered = np.maximum.reduce([part(c) for part in cover])
        return np.asarray(np.minimum(0.012 - covered, np.where(c[:, ARM] > 0.02, 1.0, c[:, Z] - shoe)))

    return field
