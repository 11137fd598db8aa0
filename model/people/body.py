"""The posable body: mixes packed corner shapes into one person's rest body and poses it (linear blend
skinning).

Axes are metres: x to the person's left, y to the back (the face looks along -y), z up. Every vertex also has
*template coordinates*, the same for all bodies: (x, y, z, along, arm), its place on the average body, how far
it lies along the arm (0 shoulder, 1 elbow, 2 wrist) and how much it belongs to an arm (0..1). Garments are
cut in these.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.people.pack import CORNERS, STEP

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Template:
    """What all bodies share: quads per mesh, skin weights, bones, template coordinates, neighbours."""

    first: Floats
    changes: Floats
    heads: Floats
    parents: tuple[int, ...]
    bones: dict[str, int]
    weights: Floats
    weight_bones: Ints
    quads: dict[str, Ints]
    coordinates: Floats
    neighbours: Ints


@dataclass(frozen=True, eq=False)
class RestBody:
    """One person un-posed: vertices (v, 3) and bone heads (b, 3)."""

    vertices: Floats
    heads: Floats


@functools.lru_cache(maxsize=1)
def template() -> Template:
    """The packed body, read once per process."""
    with np.load(Path(__file__).with_name("body.npz")) as packed:
        first = packed["first"].astype(np.float32) * STEP
        changes = packed["changes"].astype(np.float32) * STEP
        heads = packed["heads"]
        names = [str(name) for name in packed["bones"]]
        weights = packed["weights"].astype(np.float32)
        weight_bones = packed["weight_bones"].astype(np.int64)
        quads = {
            name[6:]: packed[name].astype(np.int64) for name in packed.files if name.startswith("quads_")
        }
        parents = tuple(int(parent) for parent in packed["parents"])
    weights /= weights.sum(1, keepdims=True)
    bones = {name: number for number, name in enumerate(names)}
    mean = first + changes.sum(0) / (len(changes) + 1)
    coordinates = _template_coordinates(mean, heads.mean(0), names, weights, weight_bones)
    neighbours = _neighbours(len(mean), np.concatenate([quads["tights"], quads["skirt"]]))
    return Template(
        first, changes, heads, parents, bones, weights, weight_bones, quads, coordinates, neighbours
    )


def _template_coordinates(
    mean: Floats, heads: Floats, names: list[str], weights: Floats, weight_bones: Ints
) -> Floats:
    arm_bones = np.array(
        [name.startswith(("upperarm", "lowerarm", "wrist", "finger", "metacarpal")) for name in names]
    )
    arm = (weights * arm_bones[weight_bones]).sum(1)
    side = np.abs(mean) * [1, 0, 0] + mean * [0, 1, 1]
    shoulder, elbow, wrist = (
        heads[names.index(bone)] for bone in ("upperarm01.L", "lowerarm01.L", "wrist.L")
    )
    upper, lower = elbow - shoulder, wrist - elbow
    first = (side - shoulder) @ upper / (upper @ upper)
    second = (side - elbow) @ lower / (lower @ lower)
    along = np.where(second > 0, 1 + np.maximum(second, first - 1), np.minimum(first, 1))
    along = np.where(arm > 0.02, along, -1.0)
    return np.concatenate([mean, along[:, None], arm[:, None]], 1).astype(np.float32)


def _neighbours(count: int, quads: Ints) -> Ints:
    """(count, 4) vertices next to each one along quad edges, padded with the vertex itself."""
    table = np.repeat(np.arange(count)[:, None], 4, 1)
    filled = np.zeros(count, np.int64)
    pairs = np.concatenate([np.stack([quads[:, k], quads[:, (k + 1) % 4]], 1) for k in range(4)])
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    for a, b in pairs:
        if a != b and filled[a] < 4:
            table[a, filled[a]] = b
            filled[a] += 1
    return table


@functools.lru_cache(maxsize=8)
def mesh(name: str) -> tuple[Ints, Ints]:
    """One mesh on its own: the body's vertices it uses (n,) and its quads (q, 4) among them."""
    which, flat = np.unique(template().quads[name], return_inverse=True)
    return which, flat.reshape(-1, 4)


@functools.lru_cache(maxsize=8)
def head_mesh(low: float) -> tuple[Ints, Ints]:
    """The skin above template height `low`, no arms: its vertices (n,) and quads (q, 4) among them."""
    quads = template().quads["body"]
    place = template().coordinates
    kept = (place[quads][:, :, 2].min(1) > low) & (place[quads][:, :, 4].max(1) < 0.1)
    which, flat = np.unique(quads[kept], return_inverse=True)
    return which, flat.reshape(-1, 4)


@functools.lru_cache(maxsize=8)
def rest_body(sex: str, age: float, weight: float, height: float) -> RestBody:
    """Mix the packed corners multilinearly; `age`, `weight`, `height` are clipped to the packed range."""
    shared = template()
    values = {"gender": 1.0 if sex == "woman" else 0.0, "age": age, "weight": weight, "height": height}
    mix = np.ones(1, np.float32)
    for name, (low, high) in CORNERS.items():
        part = float(np.clip((values[name] - low) / (high - low), 0, 1))
        mix = np.outer(mix, [1 - part, part]).ravel().astype(np.float32)
    vertices = shared.first + np.tensordot(mix[1:], shared.changes, 1)
    return RestBody(vertices.astype(np.float32), np.tensordot(mix, shared.heads, 1).astype(np.float32))


def transforms(heads: Floats, rotations: Mapping[str, Floats]) -> Floats:
    """Bone transforms (b, 3, 4). A rotation (3, 3) turns its bone and all below about the bone's rest head,
    in rest axes.
    """
    shared = template()
    out = np.zeros((len(heads), 3, 4), np.float32)
    turns = {shared.bones[name]: turn for name, turn in rotations.items()}
    for bone, parent in enumerate(shared.parents):
        above = out[parent] if parent >= 0 else np.eye(3, 4, dtype=np.float32)
        turn = turns.get(bone)
        if turn is None:
            out[bone] = above
            continue
        shift = heads[bone] - turn @ heads[bone]
        out[bone, :, :3] = above[:, :3] @ turn
        out[bone, :, 3] = above[:, :3] @ shift + above[:, 3]
    return out


def skin(vertices: Floats, which: Ints, bones: Floats) -> Floats:
    """Pose rest `vertices` (n, 3) that carry the skin weights of the template vertices `which` (n,)."""
    shared = template()
    blend = np.einsum(
        "nk,nkij->nij", shared.weights[which], bones[shared.weight_bones[which]], optimize=False
    )
    posed: Floats = np.einsum("nij,nj->ni", blend[:, :, :3], vertices) + blend[:, :, 3]
    return posed


def attach(vertices: Floats, bone: str, bones: Floats) -> Floats:
    """Pose `vertices` (n, 3) that follow one bone rigidly."""
    moved = bones[template().bones[bone]]
    return np.asarray(vertices @ moved[:, :3].T + moved[:, 3], np.float32)


@functools.lru_cache(maxsize=24)
def relaxed(rest: RestBody, name: str, rounds: int) -> Floats:
    """A clothing mesh's rest vertices (n, 3), `rounds` times moved half way to their neighbours' mean."""
    which, _ = mesh(name)
    place = np.zeros(len(rest.vertices), np.int64)
    place[which] = np.arange(len(which))
    first, second, third, fourth = place[template().neighbours[which]].T
    out = rest.vertices[which]
    for _ in range(rounds):
        out = 0.5 * out + 0.125 * (out[first] + out[second] + out[third] + out[fourth])
    return out.astype(np.float32)


def normals(vertices: Floats, quads: Ints) -> Floats:
    """Unit vertex normals (n, 3) of a quad mesh."""
    a, b, c, d = quads.T
    one, other = vertices[c] - vertices[a], vertices[d] - vertices[b]
    face = [
        one[:, (k + 1) % 3] * other[:, (k + 2) % 3] - one[:, (k + 2) % 3] * other[:, (k + 1) % 3]
        for k in range(3)
    ]
    where = quads.T.ravel()
    out = np.stack([np.bincount(where, np.tile(part, 4), len(vertices)) for part in face], 1)
    size = np.sqrt(out[:, 0] ** 2 + out[:, 1] ** 2 + out[:, 2] ** 2) + 1e-12
    return np.asarray(out / size[:, None], np.float32)
