"""Renders a person's geometry once, as a `View`: materials, normals and pattern coordinates, without any
colour.

`model.people.paint` then colours, lights and degrades a view in a few milliseconds, as often as wanted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.people.bags import bag_layers
from model.people.body import Floats, rest_body, transforms
from model.people.cameras import Camera
from model.people.clothes import Dressing, lower_layers, upper_layers
from model.people.head import body_layers, hair_layers
from model.people.headwear import collar_layers, headwear_layers
from model.people.layers import Layer
from model.people.materials import ID, MATERIALS
from model.people.poses import Pose, sample_pose, turn
from model.people.raster import Hits, rasterise
from model.people.shapes import Shape
from model.people.shoes import shoe_layers

SUPERSAMPLE = 2


@dataclass(frozen=True)
class View:
    """One person from one side, as arrays of (height, width).

    `first`, `second` are the two commonest materials of each pixel and `share` (0-255) how much of it is the
    first. `normal` (h, w, 3) int8: unit normal x 127 in camera axes (x right, y away, z up). `open_sky`
    (0-255): how little neighbouring surfaces shade the pixel. `pattern` (h, w, 2) float16: metres around and
    along the garment, (0, 0.5) about the middle of the chest. `shadow` (0-255): shadow on the ground.
    `floor`: row of the feet, as a share of the height. `counts`: visible pixels per material name, occlusion
    and frame considered.
    """

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    share: NDArray[np.uint8]
    normal: NDArray[np.int8]
    open_sky: NDArray[np.uint8]
    pattern: NDArray[np.float16]
    shadow: NDArray[np.uint8]
    floor: float
    yaw: float
    pitch: float
    pose: str
    counts: dict[str, int]


def facing(yaw: float) -> str:
    """`front`, `side` or `back`: what the camera sees at this yaw (degrees, 0 = the person faces the camera)."""
    turned = abs((yaw + 180.0) % 360.0 - 180.0)
    return "front" if turned < 55 else "back" if turned > 125 else "side"


def build(shape: Shape, pose: Pose) -> list[Layer]:
    """All layers of a posed, dressed person."""
    rest = rest_body(shape.sex, shape.age, shape.weight, shape.height)
    dressing = Dressing(shape, rest, transforms(rest.heads, pose.rotations))
    return [
        *body_layers(dressing),
        *hair_layers(dressing),
        *shoe_layers(dressing),
        *lower_layers(dressing),
        *upper_layers(dressing),
        *collar_layers(dressing),
        *headwear_layers(dressing),
        *bag_layers(dressing),
    ]


def render_view(
    shape: Shape,
    rng: np.random.Generator,
    height: int = 256,
    width: int = 128,
    *,
    camera: Camera,
    yaw: float | None = None,
    occlude: bool = True,
) -> View:
    """Pose and render `shape` as `camera` sees it; yaw (drawn all around if None), pose and framing come from
    `rng`.
    """
    pose = sample_pose(rng, shape.phone, shape.bag_type in ("handbag", "suitcase"))
    drawn = float(rng.uniform(-180, 180))
    turned = drawn if yaw is None else yaw
    pitch = float(rng.uniform(*camera.pitch))
    rotation = turn((1.0, 0.0, 0.0), pitch) @ turn((0.0, 0.0, 1.0), -turned)
    layers = build(shape, pose)
    rows, columns = height * SUPERSAMPLE, width * SUPERSAMPLE
    distance = float(rng.uniform(*camera.distance))
    screens, floor = _frame(layers, rotation, distance, rng, rows, columns)
    hits = rasterise(layers, screens, rotation, rows, columns)
    planes = _planes(hits, layers, rng, rows, columns)
    if occlude and rng.random() < 0.14:
        _occlude(planes, rng, rows, columns)
    return _reduce(planes, layers, screens, (height, width), (floor / rows, turned, pitch, pose.name))


def _frame(
    layers: list[Layer], rotation: Floats, distance: float, rng: np.random.Generator, rows: int, columns: int
) -> tuple[list[Floats], float]:
    """Screen places (column, row, depth) of all vertices so that the person nearly fills the frame; row of
    the feet.
    """
    seen = [layer.vertices @ rotation.T for layer in layers]
    projected = [part[:, [0, 2]] / (1 + part[:, 1:2] / distance) for part in seen]
    used = np.concatenate(
        [flat for flat, layer in zip(projected, layers, strict=True) if layer.field is None]
    )
    person = np.concatenate(
        [
            flat
            for flat, layer in zip(projected, layers, strict=True)
            if layer.name in ("shoes", "sole", "skin", "hair", "hat")
        ]
    )
    body_low, body_high = person.min(0), person.max(0)
    low, high = np.minimum(used.min(0), body_low), np.maximum(used.max(0), body_high)
    tall = rows * rng.uniform(0.88, 0.97) / (body_high[1] - body_low[1])
    wide = columns * rng.uniform(0.90, 1.0) / (high[0] - low[0])
    scale = min(tall, max(wide, tall * 0.80))
    if rng.random() < 0.08:
        scale *= rng.uniform(1.06, 1.28)  # cut at the legs
        middle_row = rows * 0.045 + body_high[1] * scale
    else:
        spare = rows - (body_high[1] - body_low[1]) * scale
        middle_row = spare * rng.uniform(0.3, 0.7) + body_high[1] * scale
    centre = 0.6 * (body_low[0] + body_high[0]) / 2 + 0.4 * (low[0] + high[0]) / 2
    middle_column = columns * (0.5 + rng.uniform(-0.03, 0.03)) - centre * scale
    screens = [
        np.stack([flat[:, 0] * scale + middle_column, middle_row - flat[:, 1] * scale, part[:, 1]], 1).astype(
            np.float32
        )
        for flat, part in zip(projected, seen, strict=True)
    ]
    return screens, float(middle_row - body_low[1] * scale)


@dataclass(frozen=True)
class _Planes:
    """Sub-pixel planes (rows, columns[, k])."""

    material: NDArray[np.uint8]
    depth: Floats
    normal: Floats
    pattern: Floats


def _planes(hits: Hits, layers: list[Layer], rng: np.random.Generator, rows: int, columns: int) -> _Planes:
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
    source = _mend(material.reshape(rows, columns), depth.reshape(rows, columns)).ravel()
    return _Planes(
        material[source].reshape(rows, columns),
        depth[source].reshape(rows, columns),
        normal[source].reshape(rows, columns, 3),
        pattern[source].reshape(rows, columns, 2),
    )


def _folds(c: Floats, rng: np.random.Generator) -> Floats:
    """A change of the normals (n, 3) like folds of cloth: stronger at elbows, knees, waist and crotch."""
    x, y, z, along, arm = c.T
    joint = np.exp(-(((along - 1) / 0.25) ** 2)) * arm + (1 - arm) * (
        np.exp(-(((z + 0.32) / 0.10) ** 2))
        + np.exp(-(((z - 0.06) / 0.09) ** 2))
        + 0.7 * np.exp(-(((z - 0.30) / 0.10) ** 2))
    )
    ankle = 0.8 * np.exp(-(((z + 0.70) / 0.07) ** 2))
    strength = 0.09 + 0.22 * (joint + ankle)
    waves = (rng.normal(0, 1, (6, 3)) * (18, 18, 24)).astype(np.float32)
    waved = np.sin(c[:, :3] @ waves.T + rng.uniform(0, 6.28, 6).astype(np.float32))
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 2, np.float32) * np.float32([0.45, 0.28, 0.42])
    return np.asarray((waved @ weights) * strength[:, None], np.float32)


def _pattern_place(c: Floats) -> Floats:
    x, y, z, along, arm = c.T
    around = np.arctan2(x, -(y - 0.02)) * 0.14
    on_leg = z < 0.02
    around = np.where(on_leg, np.arctan2(np.abs(x) - 0.15, -(y - 0.01)) * 0.09, around)
    return np.stack([np.where(arm > 0.5, y + 1.0, around), np.where(arm > 0.5, 0.62 - along * 0.27, z)], 1)


def _mend(material: NDArray[np.uint8], depth: Floats) -> NDArray[np.int64]:
    """Flat source index per pixel: a pixel far behind both neighbours of a pair takes a neighbour's surface."""
    rows, columns = depth.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    source = index.copy()
    for axis in (0, 1):
        before, after = np.roll(depth, 1, axis), np.roll(depth, -1, axis)
        hole = depth > np.maximum(before, after) + 0.02
        edge = [slice(None)] * 2
        edge[axis] = slice(1, -1)
        inside = np.zeros_like(hole)
        inside[tuple(edge)] = hole[tuple(edge)]
        shifted = np.roll(index, 1, axis)
        source[inside] = shifted[inside]
    return source


def _occlude(planes: _Planes, rng: np.random.Generator, rows: int, columns: int) -> None:
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


def _reduce(
    planes: _Planes,
    layers: list[Layer],
    screens: list[Floats],
    size: tuple[int, int],
    facts: tuple[float, float, float, str],
) -> View:
    """Half the resolution: the two commonest materials of every 2 x 2 block and means of the rest."""
    first, second, share = _two_commonest(planes.material)
    solid = _quarters(planes.material > 0)
    number = np.maximum(sum(part.astype(np.float32) for part in solid), 1.0)[..., None]
    normal, pattern = (
        sum(part * own[..., None] for part, own in zip(_quarters(plane), solid, strict=True)) / number
        for plane in (planes.normal, planes.pattern)
    )
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
    return (out * 255).astype(np.uint8)
