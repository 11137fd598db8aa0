"""Learning rates over a run: a warm-up, then one of several falls to a target.

A schedule has no state: the rate is a function of the units done so far (epochs, or steps in short
recipes), so that a resumed run needs nothing restored.
"""

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

ScheduleMode = Literal[
    "constant", "cosine", "linear", "exponential", "polynomial", "polynomial_released", "step"
]


class ScheduleConfig(BaseModel):
    """The papers' schedule by default: 5 epochs of linear warm-up from a tenth, then cosine to zero.

    `warmup` and `milestones` count in `unit`. `target_lr` is absolute and the same for all groups. `power`
    is the exponent of `polynomial` and the end factor of `exponential`. `polynomial_released` is what the
    released code calls poly (it jumps to `power` times the rate and then rises); it is here for comparison
    only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    mode: ScheduleMode = "cosine"
    unit: Literal["epoch", "step"] = "epoch"
    warmup: int = Field(default=5, ge=0)
    warmup_method: Literal["linear", "constant"] = "linear"
    warmup_factor: float = Field(default=0.1, ge=0)
    target_lr: float = Field(default=0.0, ge=0)
    power: float = Field(default=0.9, gt=0)
    milestones: tuple[int, ...] = (20, 50)
    gamma: float = Field(default=0.1, gt=0)


def learning_rate(schedule: ScheduleConfig, base_lr: float, done: int, total: int) -> float:
    """The rate of a group with `base_lr` after `done` of `total` units; epoch 1 has `done` = 0.

    For `step` the warm-up factor multiplies the milestones' factor; else the warm-up precedes the fall.
    """
    warm = _warmup_factor(schedule, done)
    if schedule.mode == "step":
        passed = sum(milestone <= done for milestone in schedule.milestones)
        return warm * base_lr * float(schedule.gamma**passed)
    if done < schedule.warmup:
        return warm * base_lr
    if schedule.mode == "constant":
        return base_lr
    gone = (done - schedule.warmup) / max(total - schedule.warmup, 1)
    if schedule.mode == "exponential":
        return base_lr * float(schedule.power**gone)
    return schedule.target_lr + (base_lr - schedule.target_lr) * _remaining(schedule, gone)


def set_learning_rates(optimizer: "HasGroups", schedule: ScheduleConfig, done: int, total: int) -> None:
    """Give every parameter group its rate for the unit that follows `done` finished ones; reads `base_lr`."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(schedule, group["base_lr"], done, total)


class HasGroups(Protocol):
    """Any torch optimizer: its `param_groups` are dictionaries with `lr` and `base_lr`."""

    @property
    def param_groups(self) -> Sequence[dict[str, float]]:
        """The groups."""


def _warmup_factor(schedule: ScheduleConfig, done: int) -> float:
    if done >= schedule.warmup:
        return 1.0
    if schedule.warmup_method == "constant":
        return schedule.warmup_factor
    return schedule.warmup_factor + (1 - schedule.warmup_factor) * done / schedule.warmup


def _remaining(schedule: ScheduleConfig, gone: float) -> float:
    """The share of the way from base to target that is still ahead, `gone` in 0 .. 1."""
    if schedule.mode == "cosine":
        return (1 + math.cos(math.pi * gone)) / 2
    if schedule.mode == "linear":
        return 1 - gone
    if schedule.mode == "polynomial":
        return float(max(1 - gone, 0.0) ** schedule.power)
    return float(schedule.power ** (1 - gone))
