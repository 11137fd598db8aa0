"""The identity loss against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.identity import IdentityLoss


def naive_cross_entropy(rows, weight, bias, labels):
    total = 0.0
    for row, label in zip(rows, labels, strict=True):
        logits = [
            sum(w * x for w, x in zip(line, row, strict=True)) + b
            for line, b in zip(weight, bias, strict=True)
        ]
        peak = max(logits)
        total += peak + math.log(sum(math.exp(value - peak) for value in logits)) - logits[label]
    return total / len(rows)


def setup(seed=3):
    torch.manual_seed(seed)
    loss = IdentityLoss(6, 5).double()
    torch.nn.init.normal_(loss.classifier.weight)
    torch.nn.init.normal_(loss.classifier.bias)
    return loss, torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)


def test_equals_the_loops():
    loss, image, text = setup()
    labels = [4, 0, 2, 2]
    weight, bias = loss.classifier.weight.tolist(), loss.classifier.bias.tolist()
    expected = sum(naive_cross_entropy(side.tolist(), weight, bias, labels) for side in (image, text)) / 2
    assert float(loss(image, text, torch.tensor(labels)).detach()) == pytest.approx(expected, abs=1e-10)


def test_starts_at_the_logarithm_of_the_number_of_people():
    torch.manual_seed(0)
    loss = IdentityLoss(64, 1000)
    value = float(loss(torch.randn(8, 64), torch.randn(8, 64), torch.arange(8)).detach())
    assert value == pytest.approx(math.log(1000), abs=0.02)
    assert loss.classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert not loss.classifier.bias.any()


def test_accuracy_counts_each_side():
    loss = IdentityLoss(3, 3)
    torch.nn.init.eye_(loss.classifier.weight)
    image, text = torch.eye(3), torch.eye(3)[[0, 2, 1]]
    assert loss.accuracy(image, text, torch.arange(3)) == (1.0, pytest.approx(1 / 3))


def test_autocast_does_not_reach_the_loss():
    loss, image, text = setup()
    loss, image, text = loss.float(), image.bfloat16(), text.bfloat16()
    labels = torch.tensor([4, 0, 2, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(image, text, labels)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss(image.float(), text.float(), labels))
