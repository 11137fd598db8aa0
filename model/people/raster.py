"""Rasterises layers by point samples into a z-buffer, without any graphics library.

Every visible quad becomes n x n bilinear samples, n from its size on the screen (quads of equal n go
together), so all of it is array arithmetic. A sample outside its layer's field is dropped, the nearest sample
of each pixel is kept, and only those are shaded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, Ints, normals
from model.people.layers import Layer

_DENSITY = 1.2  # samples per pixel side; with fewer, pinholes show
_LARGEST = 96
_FAR = np.int64(2**62)


@dataclass(frozen=True)
class Hits:
    """The nearest surface per covered pixel: flat pixel number, depth (m), unit normal, template coordinates,
    layer, material.
    """

    pixel: Ints
    depth: Floats
    normal: Floats
    coordinates: Floats
    layer: Ints
    material: NDArray[np.uint8]


@dataclass(frozen=True)
class _Scene:
    screen: Floats  # (v, 3): column, row, depth
    normal: Floats
    coordinates: Floats
    quads: Ints
    owner: Ints
    mixed: NDArray[np.bool_]


@dataclass(frozen=True)
class _Samples:
    pixel: Ints
    depth: Floats
    quad: Ints
    u: Floats
    v: Floats


def rasterise(
    layers: Sequence[Layer], screens: Sequence[Floats], rotation: Floats, height: int, width: int
) -> Hits:
    """Draw `layers`, whose vertices lie at `screens` (v, 3: column, row, depth in metres), into height x
    width pixels.

    `rotation` (3, 3) turns body axes to camera axes, in which normals are returned (x right, y away, z up).
    """
    scene = _collect(layers, screens, rotation)
    parts = list(_sample(scene, layers, height, width))
    pixel = np.concatenate([part.pixel for part in parts])
    depth = np.concatenate([part.depth for part in parts])
    key = ((depth + 50.0) * 20000).astype(np.int64) << 24 | np.arange(len(pixel))
    nearest = np.full(height * width, _FAR)
    np.minimum.at(nearest, pixel, key)
    covered = np.flatnonzero(nearest < _FAR)
    winner = nearest[covered] & 0xFFFFFF
    quad = np.concatenate([part.quad for part in parts])[winner]
    u = np.concatenate([part.u for part in parts])[winner]
    v = np.concatenate([part.v for part in parts])[winner]
    share = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1).astype(np.float32)
    corner = scene.quads[quad]
    normal = _interpolate(scene.normal, corner, share)
    coordinates = _interpolate(scene.coordinates, corner, share)
    size = np.sqrt(normal[:, 0] ** 2 + normal[:, 1] ** 2 + normal[:, 2] ** 2) + 1e-9
    normal = normal / size[:, None]
    owner = scene.owner[quad]
    material = np.zeros(len(owner), np.uint8)
    for number, layer in enumerate(layers):
        mine = np.flatnonzero(owner == number)
        if len(mine):
            material[mine] = layer.paint(coordinates[mine])
    return Hits(covered, depth[winner], normal.astype(np.float32), coordinates, owner, material)


def _interpolate(values: Floats, corner: Ints, share: Floats) -> Floats:
    """Vertex `values` (v, k) at one sample per row of `corner` (n, 4), weighted by `share` (n, 4)."""
    out = values[corner[:, 0]] * share[:, :1]
    for k in (1, 2, 3):
        out += values[corner[:, k]] * share[:, k : k + 1]
    return out


def _collect(layers: Sequence[Layer], screens: Sequence[Floats], rotation: Floats) -> _Scene:
    quads, owner, mixed, normal, start = [], [], [], [], 0
    for number, (layer, screen) in enumerate(zip(layers, screens, strict=True)):
        kept, edge = _existing(layer)
        normal.append(normals(layer.vertices, kept))
        column, row = screen[:, 0], screen[:, 1]
        a, b, c, d = kept.T
        area = (column[c] - column[a]) * (row[d] - row[b]) - (row[c] - row[a]) * (column[d] - column[b])
        keep = np.ones(len(kept), bool) if layer.both_sides else area < 0
        quads.append(kept[keep] + start)
        mixed.append(edge[keep])
        owner.append(np.full(int(keep.sum()), number))
        start += len(layer.vertices)
    return _Scene(
        np.concatenate(list(screens)).astype(np.float32),
        (np.concatenate(normal) @ rotation.T).astype(np.float32),
        np.concatenate([layer.coordinates for layer in layers]).astype(np.float32),
        np.concatenate(quads),
        np.concatenate(owner),
        np.concatenate(mixed),
    )


def _existing(layer: Layer) -> tuple[Ints, NDArray[np.bool_]]:
    """The quads on which the layer exists at all, and which of them its edge may cross."""
    if layer.field is None:
        return layer.quads, np.zeros(len(layer.quads), bool)
    value = layer.field(layer.coordinates)
    a, b, c, d = (value[layer.quads[:, k]] for k in range(4))
    keep = np.maximum(np.maximum(a, b), np.maximum(c, d)) > -layer.slack
    edge = np.minimum(np.minimum(a, b), np.minimum(c, d)) < layer.slack
    return layer.quads[keep], edge[keep]


def _sample(scene: _Scene, layers: Sequence[Layer], height: int, width: int) -> Iterator[_Samples]:
    columns, rows = scene.screen[:, 0][scene.quads.T], scene.screen[:, 1][scene.quads.T]
    side = np.hypot(columns - np.roll(columns, 1, 0), rows - np.roll(rows, 1, 0)).max(0)
    count = np.clip(np.ceil(side * _DENSITY), 1, _LARGEST).astype(np.int64)
    order = np.argsort(count, kind="stable")
    bounds = np.searchsorted(count[order], np.arange(1, _LARGEST + 2))
    for n in range(1, _LARGEST + 1):
        group = order[bounds[n - 1] : bounds[n]]
        if not len(group):
            continue
        tick = (np.arange(n, dtype=np.float32) + np.float32(0.5)) / np.float32(n)
        u, v = (grid.ravel() for grid in np.meshgrid(tick, tick, indexing="ij"))
        share = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1).astype(np.float32)
        for quads in (group[~scene.mixed[group]], group[scene.mixed[group]]):
            if len(quads):
                yield _cover(scene, layers, quads, share, (u, v), (height, width))


def _cover(
    scene: _Scene,
    layers: Sequence[Layer],
    quads: Ints,
    share: Floats,
    uv: tuple[Floats, Floats],
    size: tuple[int, int],
) -> _Samples:
    column, row, depth = _blend(scene.screen, scene.quads[quads], share)
    keep = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    if scene.mixed[quads[0]]:
        owner = scene.owner[quads]
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            field = layers[number].field
            assert field is not None
            coordinates = np.stack(_blend(scene.coordinates, scene.quads[quads[mine]], share), -1)
            keep[mine] &= field(coordinates.reshape(-1, 5)).reshape(len(mine), -1) > 0
    which, sample = np.nonzero(keep)
    pixel = row[keep].astype(np.int64) * size[1] + column[keep].astype(np.int64)
    return _Samples(pixel, depth[keep], quads[which], uv[0][sample], uv[1][sample])


def _blend(values: Floats, quads: Ints, share: Floats) -> tuple[Floats, ...]:
    """Each column of vertex `values` (v, k) at the samples of `quads` (q, 4): k arrays (q, samples)."""
    return tuple(values[:, k][quads] @ share.T for k in range(values.shape[1]))
