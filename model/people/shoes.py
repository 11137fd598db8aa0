"""Shoes with a sole and an upper, lofted along each foot; boots get a shaft, sandals straps over the bare
foot.
"""

import numpy as np

from model.people.body import Floats, attach, mesh, normals, skin, template
from model.people.clothes import ARM, Dressing, X, Z, coordinates, lower_hem
from model.people.layers import Layer, loft, plain, solid
from model.people.materials import ID

# From heel to toe: place (0..1), half width and height of the upper, as shares of width and length.
_STATIONS = np.array(
    [
        [-0.02, 0.30, 0.24],
        [0.04, 0.62, 0.31],
        [0.14, 0.74, 0.34],
        [0.28, 0.76, 0.345],
        [0.42, 0.80, 0.29],
        [0.55, 0.92, 0.225],
        [0.70, 1.00, 0.175],
        [0.84, 0.93, 0.14],
        [0.95, 0.66, 0.11],
        [1.02, 0.28, 0.07],
    ],
    np.float32,
)


def shoe_layers(d: Dressing) -> list[Layer]:
    """Both shoes, socks where the person wears visible ones."""
    layers: list[Layer] = []
    for side, sign in (("L", 1.0), ("R", -1.0)):
        layers += _shoe(d, side, sign)
    bare_calf = d.shape.lower_type in ("shorts", "skirt", "dress") or lower_hem(d.shape) > -0.7
    if d.shape.shoes_type == "boots" and bare_calf:
        layers.append(_leg_shell(d, "shoes", -0.60, 0.020, 0.02))
    elif d.shape.socks and d.shape.shoes_type in ("sneakers", "dress shoes"):
        layers.append(_leg_shell(d, "socks", -0.64, 0.004, 0.0))
    return layers


def _leg_shell(d: Dressing, material: str, top: float, offset: float, flare: float) -> Layer:
    which, local = mesh("tights")
    place = coordinates("tights")
    out = offset + flare * np.clip((place[:, Z] + 0.68) / 0.1, 0, 1) * 0.3
    vertices = d.rest.vertices[which] + normals(d.rest.vertices[which], local) * out[:, None]
    posed = skin(vertices.astype(np.float32), which, d.bones)

    low = 0.79 if material == "shoes" else 0.748  # socks end inside the shoe

    def field(c: Floats) -> Floats:
        return np.where(c[:, ARM] > 0.02, -1.0, np.minimum(top - c[:, Z], c[:, Z] + low))

    return Layer(material, posed, local, place, plain(ID[material]), field)


def _frame(d: Dressing, sign: float) -> tuple[Floats, Floats, float, float]:
    """Heel on the floor, direction to the toe (both on the floor), length and half width of the bare foot."""
    place = template().coordinates[:13380]
    foot = d.rest.vertices[:13380][(place[:, Z] < -0.76) & (place[:, X] * sign > 0) & (place[:, ARM] < 0.01)]
    floor = foot[:, 2].min()
    middle = foot[:, 1].mean()
    back, front = foot[foot[:, 1] > middle], foot[foot[:, 1] < middle]
    heel = np.array([back[back[:, 1] > back[:, 1].max() - 0.03][:, 0].mean(), foot[:, 1].max(), floor])
    toe_x = float((front[:, 0].min() + front[:, 0].max()) / 2)
    toe = np.array([heel[0] + (toe_x - heel[0]) * 1.25, foot[:, 1].min(), floor])
    along = toe - heel
    length = float(np.linalg.norm(along))
    half = float(front[:, 0].max() - front[:, 0].min()) / 2
    return heel.astype(np.float32), (along / length).astype(np.float32), length, half


def _section(half: float, low: float, high: float, square: float) -> Floats:
    """A closed outline across the shoe (16, 2): side, height; flat below, domed above."""
    phi = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    side = np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** square * half
    up = np.sign(np.sin(phi)) * np.abs(np.sin(phi)) ** square
    return np.stack([side, low + (high - low) * (up + 1) / 2], 1).astype(np.float32)


def _lofted(
    d: Dressing, bone: str, frame: tuple[Floats, Floats, float, float], rows: list[tuple[float, Floats]]
) -> tuple[Floats, np.ndarray]:
    heel, along, length, _ = frame
    across = np.array([along[1], -along[0], 0.0], np.float32)
    up = np.array([0.0, 0.0, 1.0], np.float32)
    sections = np.stack(
        [
            heel + along * (place * length) + outline[:, :1] * across + outline[:, 1:] * up
            for place, outline in rows
        ]
    )
    vertices, quads = loft(sections.astype(np.float32))
    return attach(vertices, bone, d.bones), quads


def _shoe(d: Dressing, side: str, sign: float) -> list[Layer]:
    kind = d.shape.shoes_type
    frame = _frame(d, sign)
    length, half = frame[2], frame[3]
    bone = f"foot.{side}"
    thick = {"sneakers": 0.024, "boots": 0.03, "dress shoes": 0.013, "sandals": 0.016}[kind]
    slender = {"sneakers": 1.0, "boots": 1.05, "dress shoes": 0.92, "sandals": 1.0}[kind]
    heel = 0.02 if kind in ("dress shoes", "boots") else 0.0
    below = -thick + 0.006

    def row(place: float, width: float, low: float, high: float, square: float) -> tuple[float, Floats]:
        stretched = place if place < 0.5 or kind != "dress shoes" else place * 1.06
        return stretched, _section(half * width * slender, low, high, square)

    sole = [row(s, w * 1.06, below - heel * (s < 0.3), 0.012, 0.35) for s, w, _ in _STATIONS]
    layers = [solid("sole", _lofted(d, bone, frame, sole), ID["sole"])]
    if kind == "sandals":
        for start in (0.60, 0.34):
            strap = [
                row(s, 0.94 - 0.12 * (start < 0.5), 0.0, length * (0.20 if start > 0.5 else 0.30), 0.8)
                for s in (start, start + 0.05, start + 0.11)
            ]
            layers.append(solid("shoes", _lofted(d, bone, frame, strap), ID["shoes"]))
        return layers
    tall = {"sneakers": 1.0, "boots": 1.12, "dress shoes": 0.86}[kind]
    upper = [row(s, w, 0.0, h * length * tall + 0.01, 0.75) for s, w, h in _STATIONS]
    layers.append(solid("shoes", _lofted(d, bone, frame, upper), ID["shoes"]))
    return layers
