"""Parameter groups and optimizers: the published rules, worked out by hand."""

import pytest
import torch
from torch.nn import Parameter

from model.training.optimization import OptimizerConfig, build_optimizer, parameter_groups, plain_groups


def named(*names, shape=(2, 2)):
    return [(name, Parameter(torch.ones(shape))) for name in names]


def test_rules_apply_in_order_and_later_ones_override():
    groups = parameter_groups(
        named(
            "cross.weight", "cross.bias", "block.weight", "block.bias", "classifier.weight", "classifier.bias"
        ),
        base_lr=1e-3,
        weight_decay=4e-5,
    )
    rates = [group["lr"] for group in groups]
    assert rates == pytest.approx([5e-3, 2e-3, 1e-3, 2e-3, 5e-3, 5e-3])
    assert [group["weight_decay"] for group in groups] == [4e-5, 0, 4e-5, 0, 4e-5, 0]
    assert [group["base_lr"] for group in groups] == rates


def test_frozen_tensors_have_no_group():
    (first, frozen), (second, free) = named("a", "b")
    frozen.requires_grad_(False)
    assert [group["name"] for group in parameter_groups([(first, frozen), (second, free)], 1.0)] == ["b"]


def test_plain_groups_spare_vectors_from_decay():
    groups = plain_groups([*named("w"), *named("norm", shape=(2,)), *named("scale", shape=())], 1e-3, 0.1)
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.1), (2, 0.0)]
    assert len(plain_groups(named("w"), 1e-3, 0.1)) == 1


def test_adam_couples_decay_and_leaves_tensors_without_gradient_alone():
    (_, moved), (_, dead) = parameters = named("moved", "dead", shape=(1,))
    config = OptimizerConfig(learning_rate=0.1, weight_decay=0.5, eps=1e-3)
    optimizer = build_optimizer(parameters, config)
    (moved * 2).sum().backward()
    optimizer.step()
    gradient = 2 + 0.5 * 1.0  # coupled: the decay joins the gradient
    expected = 1 - 0.1 * gradient / (gradient + 1e-3)  # the first step of Adam after bias correction
    assert isinstance(optimizer, torch.optim.Adam)
    assert float(moved.detach()) == pytest.approx(expected, abs=1e-6)
    assert float(dead.detach()) == 1


def test_adamw_decouples_decay():
    parameters = named("matrix", shape=(1, 1))
    optimizer = build_optimizer(
        parameters, OptimizerConfig(kind="adamw", learning_rate=0.1, weight_decay=0.5, eps=1e-8)
    )
    (parameters[0][1] * 2).sum().backward()
    optimizer.step()
    assert float(parameters[0][1].detach()) == pytest.approx(1 * (1 - 0.1 * 0.5) - 0.1, abs=1e-6)


def test_nothing_to_train_is_a_mistake():
    with pytest.raises(ValueError, match="nothing to optimise"):
        build_optimizer([], OptimizerConfig())
