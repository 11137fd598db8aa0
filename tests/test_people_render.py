"""Bodies, garments and pictures of the synthetic people: sound meshes, clean views, repeatable paint."""

import dataclasses
import pickle

import numpy as np
import pytest

from model.people.body import mesh, rest_body, skin, template, transforms
from model.people.cameras import CAMERAS, NEUTRAL
from model.people.layers import plain, solid, superellipsoid
from model.people.looks import sample_look
from model.people.materials import ID, MATERIALS
from model.people.paint import paint
from model.people.poses import sample_pose, turn
from model.people.raster import rasterise
from model.people.render import View, build, facing, render_view
from model.people.shapes import DOMAINS, Shape, sample_shape


def shape_of(seed: int, **changes: object) -> Shape:
    return dataclasses.replace(sample_shape(np.random.default_rng(seed), "base"), **changes)  # type: ignore[arg-type]


def test_rest_bodies_lie_between_the_packed_corners() -> None:
    small = rest_body("woman", 0.62, 0.3, 0.3).vertices
    tall = rest_body("woman", 0.62, 0.3, 0.7).vertices
    middle = rest_body("woman", 0.62, 0.3, 0.5).vertices
    np.testing.assert_allclose(middle, (small + tall) / 2, atol=1e-5)
    heights = [float(np.ptp(body[:13380, 2])) for body in (small, middle, tall)]
    assert 1.4 < heights[0] < heights[1] < heights[2] < 2.2


def test_skinning_without_rotation_leaves_the_body_as_it_is() -> None:
    rest = rest_body("man", 0.7, 0.5, 0.5)
    everything = np.arange(len(rest.vertices))
    posed = skin(rest.vertices, everything, transforms(rest.heads, {}))
    np.testing.assert_allclose(posed, rest.vertices, atol=1e-5)


def test_turning_the_head_moves_the_head_alone_and_rigidly() -> None:
    rest = rest_body("man", 0.7, 0.5, 0.5)
    everything = np.arange(len(rest.vertices))
    quarter = turn((0.0, 0.0, 1.0), 90.0)
    posed = skin(rest.vertices, everything, transforms(rest.heads, {"head": quarter}))
    bone, bones = template().bones["head"], template().weight_bones
    whole = (template().weights * (bones == bone)).sum(1) > 0.999
    pivot = rest.heads[bone]
    np.testing.assert_allclose(posed[whole], (rest.vertices[whole] - pivot) @ quarter.T + pivot, atol=1e-4)
    feet = template().coordinates[:, 2] < -0.6
    np.testing.assert_allclose(posed[feet], rest.vertices[feet], atol=1e-6)


@pytest.mark.parametrize("name", ["body", "tights", "skirt", "eye_l"])
def test_meshes_are_whole(name: str) -> None:
    which, quads = mesh(name)
    assert quads.min() == 0
    assert quads.max() == len(which) - 1
    assert np.isfinite(template().coordinates[which]).all()
    np.testing.assert_allclose(template().weights.sum(1), 1.0, atol=1e-5)


def test_the_rasteriser_draws_a_ball_as_a_disc_of_the_right_size() -> None:
    ball = solid("ball", superellipsoid(np.zeros(3, np.float32), np.ones(3, np.float32), 1.0, 41), ID["bag"])
    screen = np.stack([ball.vertices[:, 0] * 40 + 50, 50 - ball.vertices[:, 2] * 40, ball.vertices[:, 1]], 1)
    hits = rasterise([ball], [screen], np.eye(3, dtype=np.float32), 100, 100)
    assert abs(len(hits.pixel) / (np.pi * 40**2) - 1) < 0.04
    row, column = hits.pixel // 100, hits.pixel % 100
    inside = np.hypot(column + 0.5 - 50, row + 0.5 - 50) < 36
    expected = np.stack([(column + 0.5 - 50) / 40, hits.depth, (50 - row - 0.5) / 40], 1)
    assert (hits.depth[inside] < 0).all()
    assert np.abs(hits.normal[inside] - expected[inside]).max() < 0.2


def test_nearer_surfaces_hide_farther_ones_and_fields_cut() -> None:
    corners = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)
    vertices = np.stack([corners[:, 0], np.zeros(4), -corners[:, 1]], 1).astype(np.float32)
    flat = np.concatenate([vertices, np.zeros((4, 2))], 1).astype(np.float32)
    layer = solid("far", (vertices, np.array([[0, 3, 2, 1]])), ID["lower"])
    far = dataclasses.replace(layer, quads=np.array([[0, 3, 2, 1]]), both_sides=True)
    near = dataclasses.replace(
        far, paint=plain(ID["upper"]), coordinates=flat, field=lambda c: 5.0 - c[:, 0], slack=20.0
    )
    depth = [np.concatenate([corners, np.full((4, 1), z)], 1).astype(np.float32) for z in (1.0, 0.5)]
    hits = rasterise([far, near], depth, np.eye(3, dtype=np.float32), 10, 10)
    picture = np.zeros(100, np.uint8)
    picture[hits.pixel] = hits.material
    assert (picture.reshape(10, 10)[:, :5] == ID["upper"]).all()
    assert (picture.reshape(10, 10)[:, 5:] == ID["lower"]).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_person_can_be_drawn_from_everywhere(domain: str) -> None:
    for seed in range(24):
        shape = sample_shape(np.random.default_rng(seed), domain)
        camera = CAMERAS[domain][seed % len(CAMERAS[domain])]
        view = render_view(shape, np.random.default_rng([seed, 1]), 96, 48, camera=camera)
        covered = float((view.first > 0).mean())
        assert 0.1 < covered < 0.85
        assert sum(view.counts.values()) == int((view.first > 0).sum())
        assert view.first.max() < len(MATERIALS)


def test_hair_stays_off_the_face() -> None:
    for seed in range(40, 48):
        shape = shape_of(seed, sex="woman", hair_style="long", headwear="none", glasses="none", phone=False)
        view = render_view(
            shape, np.random.default_rng(seed), 384, 192, camera=NEUTRAL, yaw=0.0, occlude=False
        )
        brows = np.argwhere(view.first == ID["brow"])
        lips = np.argwhere(view.first == ID["lips"])
        assert len(brows) > 8
        assert len(lips) > 4
        face = view.first[
            brows[:, 0].mean().astype(int) : lips[:, 0].max(), brows[:, 1].min() : brows[:, 1].max() + 1
        ]
        assert (face == ID["hair"]).mean() < 0.03


def test_hems_are_straight_lines_not_stairs() -> None:
    """Seen level from the front, the lowest row of the shorts hardly jumps from column to column."""
    shape = shape_of(
        3, lower_type="shorts", upper_type="t-shirt", bag_type="none", leg_cut="straight", phone=False
    )
    level = dataclasses.replace(NEUTRAL, pitch=(0.0, 0.0))
    view = render_view(shape, np.random.default_rng(12), 768, 384, camera=level, yaw=0.0, occlude=False)
    lower = view.first == ID["lower"]
    columns = np.flatnonzero(lower.sum(0) > 60)
    lowest = np.array([np.flatnonzero(lower[:, column]).max() for column in columns])
    steps = np.abs(np.diff(lowest))
    assert np.median(steps) <= 1
    assert (steps > 4).mean() < 0.08


def test_a_view_is_the_same_for_the_same_seed_and_pickles() -> None:
    shape = shape_of(7)
    first, second = (render_view(shape, np.random.default_rng(3), 96, 48, camera=NEUTRAL) for _ in range(2))
    again: View = pickle.loads(pickle.dumps(second))
    for name in ("first", "second", "share", "normal", "open_sky", "pattern", "shadow"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.counts == again.counts


@pytest.mark.parametrize("domain", DOMAINS)
def test_paint_repeats_itself_and_cameras_differ(domain: str) -> None:
    shape = shape_of(2)
    look = sample_look(np.random.default_rng(2), shape, domain)
    pictures = []
    for camera in CAMERAS[domain]:
        view = render_view(shape, np.random.default_rng(3), 96, 48, camera=camera)
        one, two = (paint(view, look, camera, np.random.default_rng(4)) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert one.shape == (96, 48, 3)
        assert one.dtype == np.uint8
        pictures.append(one)
    assert len({picture.tobytes() for picture in pictures}) == len(CAMERAS[domain])


def test_recolouring_changes_the_garment_and_nothing_else() -> None:
    shape = shape_of(4, upper_open=False)
    look = dataclasses.replace(sample_look(np.random.default_rng(2), shape, "base"), pattern="plain")
    view = render_view(shape, np.random.default_rng(3), 192, 96, camera=NEUTRAL, yaw=0.0, occlude=False)
    other = dataclasses.replace(look, rgb=look.rgb | {"upper": (200, 30, 30)})
    one, two = (
        paint(view, painted, NEUTRAL, np.random.default_rng(4)).astype(int) for painted in (look, other)
    )
    whole = (view.first == ID["upper"]) & (view.share == 255)
    nowhere = (view.first != ID["upper"]) & (view.second != ID["upper"])
    assert np.abs(one - two)[whole].max(1).min() > 10
    assert np.abs(one - two)[nowhere].max() == 0


def test_facing_names_the_side_that_is_seen() -> None:
    assert [facing(yaw) for yaw in (0, 40, 90, -90, 180, -170, 350)] == [
        "front",
        "front",
        "side",
        "side",
        "back",
        "back",
        "front",
    ]
    view = render_view(
        shape_of(9, headwear="none"),
        np.random.default_rng(1),
        192,
        96,
        camera=NEUTRAL,
        yaw=180.0,
        occlude=False,
    )
    assert "eye" not in view.counts
    assert "lips" not in view.counts


def test_shoes_stand_below_the_ankles_and_enclose_the_feet() -> None:
    shape = shape_of(5, shoes_type="sneakers", lower_type="shorts")
    pose = sample_pose(np.random.default_rng(1), False, False)
    layers = build(shape, pose)
    soles = np.concatenate([layer.vertices for layer in layers if layer.name == "sole"])
    body = next(layer for layer in layers if layer.name == "skin")
    bare = body.vertices[(body.coordinates[:, 2] < -0.79) & (body.coordinates[:, 4] < 0.01)]
    assert soles[:, 2].min() < bare[:, 2].min() + 0.01
    assert np.ptp(soles[:, 0]) > np.ptp(bare[:, 0]) * 0.95


def test_an_unknown_domain_is_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="domain"):
        sample_shape(np.random.default_rng(0), "night")
    with pytest.raises(ValueError, match="domain"):
        sample_look(np.random.default_rng(0), shape_of(1), "night")
