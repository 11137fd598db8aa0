"""Learning rates by closed form and recorded corner values."""

import pytest
import torch

from model.training.optimization import OptimizerConfig, build_optimizer
from model.training.schedule import ScheduleConfig, learning_rate, set_learning_rates


def rates(schedule, total, base=1.0):
    return [learning_rate(schedule, base, done, total) for done in range(total)]


def test_the_papers_schedule():
    factors = rates(ScheduleConfig(), 60)
    assert factors[:6] == pytest.approx([0.1, 0.28, 0.46, 0.64, 0.82, 1.0])
    assert factors[59] == pytest.approx(8.155e-4, abs=1e-6)
    assert factors[5 + 11] == pytest.approx(
        (1 + 0.8090169943749475) / 2
    )  # cos(36 degrees) a fifth of the way
    assert factors[5:] == sorted(factors[5:], reverse=True)


def test_target_is_absolute_and_reached():
    schedule = ScheduleConfig(target_lr=0.25, warmup=0)
    for mode in ("cosine", "linear", "polynomial"):
        ends = schedule.model_copy(update={"mode": mode})
        assert learning_rate(ends, 1.0, 0, 10) == pytest.approx(1.0)
        assert learning_rate(ends, 1.0, 10, 10) == pytest.approx(0.25)
        assert learning_rate(ends, 3.0, 10, 10) == pytest.approx(0.25)


def test_linear_exponential_polynomial_and_constant_in_the_middle():
    half = {"linear": 0.5, "polynomial": 0.5**0.9, "exponential": 0.9**0.5, "constant": 1.0}
    for mode, expected in half.items():
        assert learning_rate(ScheduleConfig(mode=mode, warmup=0), 1.0, 5, 10) == pytest.approx(expected)


def test_the_released_poly_rises_as_published():
    factors = rates(ScheduleConfig(mode="polynomial_released", warmup=0), 10)
    assert factors[0] == pytest.approx(0.9)
    assert factors == sorted(factors)


def test_steps_multiply_the_warm_up():
    schedule = ScheduleConfig(mode="step", milestones=(2, 6), warmup=4)
    assert rates(schedule, 8) == pytest.approx([0.1, 0.325, 0.055, 0.0775, 0.1, 0.1, 0.01, 0.01])


def test_constant_warm_up():
    assert rates(ScheduleConfig(warmup_method="constant", mode="constant", warmup=2), 4) == [
        0.1,
        0.1,
        1.0,
        1.0,
    ]


def test_groups_keep_their_ratio():
    parameters = [(name, torch.nn.Parameter(torch.ones(1))) for name in ("block.weight", "block.bias")]
    optimizer = build_optimizer(parameters, OptimizerConfig(learning_rate=1e-3))
    set_learning_rates(optimizer, ScheduleConfig(), done=1, total=60)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.28e-3, 0.56e-3])
    set_learning_rates(optimizer, ScheduleConfig(), done=5, total=60)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 2e-3])
