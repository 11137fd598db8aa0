"""CMPM against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.cmpm import cmpm_loss

IDENTITIES = {
    "all different": [0, 1, 2, 3, 4],
    "repeated": [3, 1, 3, 3, 1],
    "one person": [7] * 5,
    "single row": [2],
}


def features(rows, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(2))


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def unit(row):
    length = math.sqrt(dot(row, row))
    return [value / length for value in row]


def naive_divergence(logits, targets):
    total = 0.0
    for row, target in zip(logits, targets, strict=True):
        peak = max(row)
        normaliser = sum(math.exp(value - peak) for value in row)
        for value, wanted in zip(row, target, strict=True):
            probability = math.exp(value - peak) / normaliser
            total += probability * ((value - peak) - math.log(normaliser) - math.log(wanted + 1e-8))
    return total / len(logits)


def naive_cmpm(image, text, identities):
    image, text = image.tolist(), text.tolist()
    targets = [[float(a == b) / math.sqrt(identities.count(a)) for b in identities] for a in identities]
    forth = [[dot(i, unit(t)) for t in text] for i in image]
    back = [[dot(t, unit(i)) for i in image] for t in text]
    return naive_divergence(forth, targets) + naive_divergence(back, targets)


@pytest.mark.parametrize("identities", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_cmpm_equals_the_loops(identities):
    image, text = features(len(identities))
    loss = cmpm_loss(image, text, torch.tensor(identities))
    assert float(loss) == pytest.approx(naive_cmpm(image, text, identities), abs=1e-10)


def test_gradients_equal_finite_differences():
    image, text = (feature.requires_grad_() for feature in features(4))
    identities = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(lambda i, t: cmpm_loss(i, t, identities), (image, text))


def test_half_precision_features_and_autocast_are_computed_in_float32():
    image, text = (feature.bfloat16() for feature in features(5))
    identities = torch.tensor([0, 1, 0, 2, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cmpm_loss(image, text, identities)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, cmpm_loss(image.float(), text.float(), identities))
