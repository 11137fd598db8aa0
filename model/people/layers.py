"""A layer is one surface of the picture: a posed quad mesh, where it exists, and what it is made of.

Both questions are answered per *sample*, from template coordinates, and not per quad: hems come out as smooth
lines.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, Ints

Field = Callable[[Floats], Floats]
"""Template coordinates (n, 5) -> signed distance (n,), about metres; the layer exists where it is positive.
"""

Paint = Callable[[Floats], NDArray[np.uint8]]
"""Template coordinates (n, 5) -> material numbers (n,)."""


@dataclass(frozen=True)
class Layer:
    """`vertices` (v, 3) posed, `quads` (q, 4), `coordinates` (v, 5), `field` (None: everywhere), `paint`.

    `cloth` layers get folds; `both_sides` draws back faces as well; `slack` is how far from zero a quad's
    corner values of the field may be while the quad still has an edge inside.
    """

    name: str
    vertices: Floats
    quads: Ints
    coordinates: Floats
    paint: Paint
    field: Field | None = None
    cloth: bool = False
    both_sides: bool = False
    slack: float = 0.02


def plain(material: int) -> Paint:
    """The same material everywhere."""

    def paint(coordinates: Floats) -> NDArray[np.uint8]:
        return np.full(len(coordinates), material, np.uint8)

    return paint


def _grid_quads(rows: int, columns: int, wrap: bool) -> Ints:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    k = (j + 1) % columns
    quads = np.stack([i * columns + j, (i + 1) * columns + j, (i + 1) * columns + k, i * columns + k], -1)
    return quads.reshape(-1, 4).astype(np.int64)


def superellipsoid(centre: Floats, half: Floats, power: float = 0.45, rows: int = 15) -> tuple[Floats, Ints]:
    """A closed rounded body: vertices and quads; `power` 1 is an ellipsoid, near 0 a box."""
    theta = np.linspace(0, np.pi, rows)[:, None]
    phi = np.linspace(0, 2 * np.pi, 2 * rows, endpoint=False)[None]
    unit = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1)
    shaped = np.sign(unit) * np.abs(unit) ** power
    return (centre + half * shaped.reshape(-1, 3)).astype(np.float32), _grid_quads(rows, 2 * rows, True)


def tube(path: Floats, radii: Floats, sides: int = 10, flat: float = 1.0) -> tuple[Floats, Ints]:
    """A tube along `path` (n, 3) with radius per point; `flat` < 1 squeezes it along its second normal."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.array([1.0, 0.0, 0.0]) if abs(along[0, 0]) < 0.8 else np.array([0.0, 1.0, 0.0])
    first = np.cross(along, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-9
    second = np.cross(along, first)
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(phi)[None, :, None] * first[:, None] + flat * np.sin(phi)[None, :, None] * second[:, None]
    vertices = path[:, None] + np.asarray(radii)[:, None, None] * ring
    return vertices.reshape(-1, 3).astype(np.float32), _grid_quads(len(path), sides, True)


def loft(sections: Floats) -> tuple[Floats, Ints]:
    """The skin through closed `sections` (n, m, 3), its ends closed to their centres."""
    first, last = sections[:1].mean(1, keepdims=True), sections[-1:].mean(1, keepdims=True)
    count = sections.shape[1]
    whole = np.concatenate([np.repeat(first, count, 1), sections, np.repeat(last, count, 1)])
    return whole.reshape(-1, 3).astype(np.float32), _grid_quads(len(whole), count, True)


def outward(vertices: Floats, quads: Ints) -> Ints:
    """Quads turned so that their normals point away from the mesh's centre."""
    corner = vertices[quads]
    face = np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1])
    if float((face * (corner.mean(1) - vertices.mean(0))).sum()) < 0:
        return quads[:, ::-1]
    return quads


def solid(name: str, mesh: tuple[Floats, Ints], material: int, coordinates: Floats | None = None) -> Layer:
    """A layer of one material over a whole accessory mesh (its template coordinates: its own places by
    default).
    """
    vertices, quads = mesh
    if coordinates is None:
        coordinates = np.concatenate([vertices, np.full((len(vertices), 2), -1, np.float32)], 1).astype(
            np.float32
        )
    return Layer(name, vertices, outward(vertices, quads), coordinates, plain(material))
