"""The attribute loss against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.attributes import AttributeLoss

CLASSES = {"upper": 4, "colour": 3}


@torch.no_grad()
def naive_side(loss, features, labels):
    total = 0.0
    for column, head in enumerate(loss.heads.values()):
        terms = []
        for row, label in zip(features, labels[:, column].tolist(), strict=True):
            if label == -1:
                continue
            logits = [float(line @ row + bias) for line, bias in zip(head.weight, head.bias, strict=True)]
            terms.append(math.log(sum(math.exp(value) for value in logits)) - logits[label])
        total += sum(terms) / len(terms) if terms else 0.0
    return total / len(loss.heads)


@pytest.fixture
def loss():
    torch.manual_seed(5)
    return AttributeLoss(6, CLASSES).double()


def test_equals_the_loops_and_skips_the_unknown(loss):
    image, text = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    image_labels = torch.tensor([[0, 2], [3, 1], [1, 0]])
    text_labels = torch.tensor([[0, -1], [-1, 1], [1, -1]])
    expected = (naive_side(loss, image, image_labels) + naive_side(loss, text, text_labels)) / 2
    assert float(loss(image, text, image_labels, text_labels).detach()) == pytest.approx(expected, abs=1e-10)


def test_a_batch_in_which_nothing_is_known_is_zero_and_trains_nothing(loss):
    image = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    unknown = torch.full((2, 2), -1)
    value = loss(image, image, unknown, unknown)
    value.backward()
    assert float(value.detach()) == 0
    assert not image.grad.any()


def test_labels_of_the_wrong_shape_are_refused(loss):
    features = torch.zeros(2, 6, dtype=torch.float64)
    with pytest.raises(ValueError, match="labels are"):
        loss(features, features, torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.int64))


def test_needs_an_attribute():
    with pytest.raises(ValueError, match="at least one"):
        AttributeLoss(6, {})
