"""How the person stands: rotations of bones for walking, standing, telephoning, a hand in the pocket."""

from dataclasses import dataclass

import numpy as np

from model.people.body import Floats, template


@dataclass(frozen=True)
class Pose:
    """A pose by name and its bone rotations (name -> (3, 3) about rest axes)."""

    name: str
    rotations: dict[str, Floats]


def turn(axis: tuple[float, float, float] | Floats, degrees: float) -> Floats:
    """Rotation matrix (3, 3) about `axis` by `degrees`, right-handed."""
    a = np.asarray(axis, np.float64)
    a = a / np.linalg.norm(a)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    cross = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
    return np.asarray(np.eye(3) * c + s * cross + (1 - c) * np.outer(a, a), np.float32)


_REST_BEND = 36.0  # degrees that the rest pose already bends the elbows
_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def _arm(
    out: dict[str, Floats], side: str, drop: float, swing: float, bend: float, inward: float = 10.0
) -> None:
    """Let an arm hang (`drop` degrees from the rest A-pose), swing forward (+) and bend at the elbow."""
    sign = 1.0 if side == "L" else -1.0
    out[f"upperarm01.{side}"] = turn(_X, -swing) @ turn(_Y, sign * drop)
    heads = template().heads.mean(0)
    bones = template().bones
    upper = heads[bones[f"lowerarm01.{side}"]] - heads[bones[f"upperarm01.{side}"]]
    axis = np.cross(upper, np.array([0.0, -1.0, 0.0]))
    out[f"lowerarm01.{side}"] = turn(axis.astype(np.float32), bend - _REST_BEND)
    forearm = heads[bones[f"wrist.{side}"]] - heads[bones[f"lowerarm01.{side}"]]
    for bone, share in (("lowerarm02", 0.5), ("wrist", 0.5)):
        out[f"{bone}.{side}"] = turn(forearm, sign * share * inward)
    curl = heads[bones[f"finger5-1.{side}"]] - heads[bones[f"finger2-1.{side}"]]
    out[f"shoulder01.{side}"] = turn(_Y, sign * 4.0)
    for finger in (2, 3, 4, 5):
        for joint in (1, 2, 3):
            out[f"finger{finger}-{joint}.{side}"] = turn(curl, sign * 16.0)


def _leg(out: dict[str, Floats], side: str, hip: float, knee: float, close: float) -> None:
    """Swing a leg forward (+) from the hip, bend the knee, keep the foot near level."""
    sign = 1.0 if side == "L" else -1.0
    out[f"upperleg01.{side}"] = turn(_X, -hip) @ turn(_Y, sign * close)
    out[f"lowerleg01.{side}"] = turn(_X, knee)
    out[f"foot.{side}"] = turn(_X, float(np.clip(hip - knee, -25, 25)) * (0.8 if hip > 0 else 0.4))


def sample_pose(rng: np.random.Generator, phone: bool, carrying: bool) -> Pose:
    """Draw a pose. `phone`: one hand at the ear; `carrying`: the left arm hangs straight."""
    out: dict[str, Floats] = {}
    walking = rng.random() < 0.62
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(14, 27)
    close = float(rng.uniform(2.0, 4.5))
    if walking:
        for side, shift in (("L", 0.0), ("R", np.pi)):
            swing = np.sin(phase + shift)
            lift = max(0.0, np.cos(phase + shift))
            _leg(out, side, stride * swing, 6 + 38 * lift * (stride / 27) + max(0.0, -swing) * 14, close)
    else:
        shift_weight = rng.uniform(-3, 9)
        _leg(out, "L", rng.uniform(-2, 4), rng.uniform(2, 6), close - 1)
        _leg(out, "R", shift_weight, shift_weight + 4, close - 1)
    for side, shift in (("L", np.pi), ("R", 0.0)):
        swing = stride * 0.9 * np.sin(phase + shift) if walking else float(rng.uniform(-5, 9))
        bend = float(rng.uniform(4, 28))
        _arm(out, side, float(rng.uniform(29, 36)), swing, bend - (15 if swing < 0 else 0))
    name = "walking" if walking else "standing"
    if carrying:
        _arm(out, "L", 31.0, float(rng.uniform(-4, 6)), 0.0)
    chance = rng.random()
    if phone:
        _arm(out, "R", 24.0, 32.0, 112.0)
        name = "phone"
    elif chance < 0.14:
        _arm(out, "R", 20.0, -16.0, 36.0)
        name = "pocket" if not walking else name
    out["neck01"] = turn(_Z, float(rng.uniform(-18, 18))) @ turn(_X, float(rng.uniform(-4, 10)))
    out["spine03"] = turn(_X, float(rng.uniform(-1, 4)))
    return Pose(name, out)
