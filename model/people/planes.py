"""From the rasteriser's hits to a `View`: folds, pattern places, occluders, edges, shade and shadow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.people.body import Floats, Ints
from model.people.layers import Layer
from model.people.materials import ID, MATERIALS
from model.people.raster import Hits
from model.people.view import View

SUPERSAMPLE = 2


@dataclass(frozen=True)
class Planes:
    """Sub-pixel planes (rows, columns[, k])."""

    material: NDArray[np.uint8]
    depth: Floats
    normal: Floats
    pattern: Floats


def planes_of(hits: Hits, layers: list[Layer], rng: np.random.Generator, rows: int, columns: int) -> Planes:
    size = rows * columns
    material = np.zeros(size, np.uint8)
    depth = np.full(size, 1e3, np.float32)
    normal = np.zeros((size, 3), np.float32)
    pattern = np.zeros((size, 2), np.float32)
    cloth = np.array([layer.cloth for layer in layers])[hits.layer]
    material[hits.pixel] = hits.material
    depth[hits.pixel] = hits.depth
    bumped = hits.normal.copy()
    bumped[cloth] += _folds(hits.coordinates[cloth], rng)
    bumped /= np.linalg.norm(bumped, axis=1, keepdims=True) + 1e-9
    normal[hits.pixel] = bumped
    pattern[hits.pixel] = _pattern_place(hits.coordinates)
    holes, sources = _holes(depth.reshape(rows, columns))
    for plane in (material, depth, normal, pattern):
        plane[holes] = plane[sources]
    return Planes(
        material.reshape(rows, columns),
        depth.reshape(rows, columns),
        normal.reshape(rows, columns, 3),
        pattern.reshape(rows, columns, 2),
    )


def _folds(c: Floats, rng: np.random.Generator) -> Floats:
    """A change of the normals (n, 3) like folds of cloth: stronger at elbows, knees, waist and crotch."""
    z, along, arm = c[:, 2], c[:, 3], c[:, 4]
    joint = np.exp(-(((along - 1) / 0.25) ** 2)) * arm + (1 - arm) * (
        np.exp(-(((z + 0.32) / 0.10) ** 2))
        + np.exp(-(((z - 0.06) / 0.09) ** 2))
        + 0.7 * np.exp(-(((z - 0.30) / 0.10) ** 2))
    )
    ankle = 0.8 * np.exp(-(((z + 0.70) / 0.07) ** 2))
    strength = 0.09 + 0.22 * (joint + ankle)
    waves = (rng.normal(0, 1, (6, 3)) * (18, 18, 24)).astype(np.float32)
    waved = np.sin(c[:, :3] @ waves.T + rng.uniform(0, 6.28, 6).astype(np.float32))
    weights = np.array([[0.45, 0, 0], [0, 0.28, 0], [0, 0, 0.42]] * 2, np.float32)
    return np.asarray((waved @ weights) * strength[:, None], np.float32)


def _pattern_place(c: Floats) -> Floats:
    x, y, z, along, arm = c.T
    around = np.arctan2(x, -(y - 0.02)) * 0.14
    on_leg = z < 0.02
    around = np.where(on_leg, np.arctan2(np.abs(x) - 0.15, -(y - 0.01)) * 0.09, around)
    return np.stack([np.where(arm > 0.5, y + 1.0, around), np.where(arm > 0.5, 0.62 - along * 0.27, z)], 1)


def _holes(depth: Floats) -> tuple[Ints, Ints]:
    """Flat pixels far behind both neighbours of a pair (pinholes), and for each the neighbour to copy."""
    columns = depth.shape[1]
    inside = depth[:, 1:-1] > np.maximum(depth[:, :-2], depth[:, 2:]) + 0.02
    row, column = np.nonzero(inside)
    across = row * columns + column + 1
    row, column = np.nonzero(depth[1:-1] > np.maximum(depth[:-2], depth[2:]) + 0.02)
    along = (row + 1) * columns + column
    return np.concatenate([across, along]), np.concatenate([across - 1, along - columns])


def put_occluder(planes: Planes, rng: np.random.Generator, rows: int, columns: int) -> None:
    """Put a pole or a low wall before the person, in place."""
    if rng.random() < 0.5:
        left = int(columns * rng.choice([rng.uniform(0.05, 0.3), rng.uniform(0.65, 0.88)]))
        where = (slice(None), slice(left, left + int(columns * rng.uniform(0.06, 0.12))))
    else:
        where = (slice(int(rows * rng.uniform(0.68, 0.86)), None), slice(None))
    planes.material[where] = ID["occluder"]
    planes.normal[where] = (0.0, -1.0, 0.1)
    planes.depth[where] = -2.0


def _quarters(plane: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The four sub-pixels of every pixel as planes of half the size."""
    return plane[::2, ::2], plane[::2, 1::2], plane[1::2, ::2], plane[1::2, 1::2]


def reduce_planes(
    planes: Planes,
    layers: list[Layer],
    screens: list[Floats],
    size: tuple[int, int],
    facts: tuple[float, float, float, str],
) -> View:
    """Half the resolution: the two commonest materials of every 2 x 2 block and means of the rest."""
    first, second, share = _two_commonest(planes.material)
    a, b, c, d = _quarters(planes.material > 0)
    number = np.maximum(a.astype(np.float32) + b + c + d, 1.0)[..., None]
    a, b, c, d = _quarters(planes.normal)
    normal = (a + b + c + d) / number
    pattern = _first_solid(planes)
    depth = np.minimum.reduce(_quarters(planes.depth))
    floor, yaw, pitch, pose = facts
    counts = np.bincount(first.ravel(), minlength=len(MATERIALS))
    return View(
        first,
        second,
        share,
        np.clip(normal * 127, -127, 127).astype(np.int8),
        _open_sky(depth),
        pattern.astype(np.float16),
        _shadow(layers, screens, size),
        floor,
        yaw,
        pitch,
        pose,
        {name: int(counts[number]) for number, name in enumerate(MATERIALS) if number and counts[number]},
    )


def _first_solid(planes: Planes) -> Floats:
    """Pattern place of the first covered sub-pixel of each block (a mean would be wrong across the seam)."""
    out = np.zeros((planes.material.shape[0] // 2, planes.material.shape[1] // 2, 2), np.float32)
    for own, place in zip(_quarters(planes.material > 0), _quarters(planes.pattern), strict=True):
        out = np.where(own[..., None] & ~out.any(-1, keepdims=True), place, out)
    return out


def _two_commonest(
    material: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Commonest and second commonest material of every 2 x 2 block, and the first one's share (0-255)."""
    corners = _quarters(material)
    votes = [sum((corner == other).astype(np.uint8) for other in corners) for corner in corners]
    # Ties go to the person, not the background.
    rank = np.stack([vote * 2 + (corner > 0) for vote, corner in zip(votes, corners, strict=True)])
    stacked = np.stack(corners)
    first = np.take_along_axis(stacked, rank.argmax(0)[None], 0)[0]
    other = np.stack([vote * (corner != first) for vote, corner in zip(votes, corners, strict=True)])
    second = np.take_along_axis(stacked, other.argmax(0)[None], 0)[0]
    weight = sum((corner == first).astype(np.int32) for corner in corners)
    rest = other.max(0).astype(np.int32)
    share = np.where(rest > 0, weight * 255 // np.maximum(weight + rest, 1), 255)
    return first.astype(np.uint8), np.where(rest > 0, second, first).astype(np.uint8), share.astype(np.uint8)


def box_mean(plane: Floats, radius: int) -> Floats:
    """Mean over a (2r+1)-square around each pixel, edges repeated."""
    out = plane
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(out, pad, mode="edge"), axis=axis, dtype=np.float64)
        ahead = np.take(total, np.arange(2 * radius + 1, total.shape[axis]), axis)
        behind = np.take(total, np.arange(0, total.shape[axis] - 2 * radius - 1), axis)
        out = ((ahead - behind) / (2 * radius + 1)).astype(np.float32)
    return out


def _open_sky(depth: Floats) -> NDArray[np.uint8]:
    """Darker where neighbouring surfaces stand nearer to the camera (arm over body, hem over leg)."""
    near = np.where(depth > 100, np.nan, depth)
    known = ~np.isnan(near)
    filled = np.where(known, near, 0.0).astype(np.float32)
    out = np.ones(depth.shape, np.float32)
    for radius, reach in ((max(1, depth.shape[0] // 85), 0.10), (max(2, depth.shape[0] // 32), 0.22)):
        mean = box_mean(filled, radius) / np.maximum(box_mean(known.astype(np.float32), radius), 1e-3)
        out -= (
            0.34
            * np.clip((filled - mean) / reach, 0, 1)
            * np.clip(2 - (filled - mean) / reach, 0.35, 1)
            * known
        )
    return (np.clip(out, 0.4, 1) * 255).astype(np.uint8)


def _shadow(layers: list[Layer], screens: list[Floats], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A soft contact shadow under the soles and whatever stands on the floor."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    out = np.zeros(size, np.float32)
    soles = [screen for layer, screen in zip(layers, screens, strict=True) if layer.name == "sole"]
    for screen in soles:
        row, column = screen[:, 1].max() / SUPERSAMPLE, screen[:, 0].mean() / SUPERSAMPLE
        wide = max(float(np.ptp(screen[:, 0])) / SUPERSAMPLE, 4.0)
        far = ((columns - column) / (wide * 0.85)) ** 2 + ((rows - row + 1) / (wide * 0.26 + 2)) ** 2
        out = np.maximum(out, np.exp(-far * 1.4))
    middle = np.concatenate(soles)
    row, column = middle[:, 1].mean() / SUPERSAMPLE, middle[:, 0].mean() / SUPERSAMPLE
    far = ((columns - column) / (size[1] * 0.30)) ** 2 + ((rows - row) / (size[0] * 0.03)) ** 2
    out = np.maximum(out, 0.6 * np.exp(-far))
    return np.asarray(out * 255, np.uint8)
