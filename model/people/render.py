"""Renders a person's geometry once, as a `View`: materials, normals and pattern coordinates, without any
colour.

`model.people.paint` then colours, lights and degrades a view in a few milliseconds, as often as wanted.
"""

import numpy as np

from model.people.bags import bag_layers
from model.people.body import Floats, rest_body, transforms
from model.people.cameras import Camera
from model.people.clothes import Dressing, lower_layers, upper_layers
from model.people.head import body_layers, hair_layers
from model.people.headwear import collar_layers, headwear_layers
from model.people.layers import Layer
from model.people.planes import SUPERSAMPLE, planes_of, put_occluder, reduce_planes
from model.people.poses import Pose, sample_pose, turn
from model.people.raster import rasterise
from model.people.shapes import Shape
from model.people.shoes import shoe_layers
from model.people.view import View, facing

__all__ = ["View", "build", "facing", "render_view"]


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
    planes = planes_of(hits, layers, rng, rows, columns)
    if occlude and rng.random() < 0.14:
        put_occluder(planes, rng, rows, columns)
    return reduce_planes(planes, layers, screens, (height, width), (floor / rows, turned, pitch, pose.name))


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
