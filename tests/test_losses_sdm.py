"""SDM against a second implementation in plain loops, and their behaviour."""

import math

import pytest
import torch

from model.losses.sdm import sdm_loss

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


def naive_rows(logits, targets):
    costs = []
    for row, target in zip(logits, targets, strict=True):
        cost = 0.0
        peak = max(row)
        normaliser = sum(math.exp(value - peak) for value in row)
        for value, wanted in zip(row, target, strict=True):
            probability = math.exp(value - peak) / normaliser
            cost += probability * ((value - peak) - math.log(normaliser) - math.log(wanted + 1e-8))
        costs.append(cost)
    return costs


def naive_sdm_rows(image, text, identities, scale):
    image, text = [unit(row) for row in image.tolist()], [unit(row) for row in text.tolist()]
    targets = [[float(a == b) / identities.count(a) for b in identities] for a in identities]
    forth = [[scale * dot(i, t) for t in text] for i in image]
    back = [[scale * dot(t, i) for i in image] for t in text]
    return [a + b for a, b in zip(naive_rows(forth, targets), naive_rows(back, targets), strict=True)]


def naive_sdm(image, text, identities, scale, weights=None):
    rows = naive_sdm_rows(image, text, identities, scale)
    weights = weights or [1.0] * len(rows)
    return sum(weight * row for weight, row in zip(weights, rows, strict=True)) / sum(weights)


@pytest.mark.parametrize("scale", [50.0, 1 / 0.07, 1.0])
@pytest.mark.parametrize("identities", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_sdm_equals_the_loops(identities, scale):
    image, text = features(len(identities))
    loss = sdm_loss(image, text, torch.tensor(identities), scale)
    assert float(loss) == pytest.approx(naive_sdm(image, text, identities, scale), abs=1e-10)


def test_rows_weigh_what_they_are_trusted():
    image, text = features(5)
    identities, weights = IDENTITIES["repeated"], [0.3, 1.0, 0.0, 0.75, 0.1]
    loss = sdm_loss(image, text, torch.tensor(identities), 20.0, torch.tensor(weights, dtype=torch.float64))
    assert float(loss) == pytest.approx(naive_sdm(image, text, identities, 20.0, weights), abs=1e-10)


def test_full_trust_is_no_weight_at_all():
    image, text = (feature.float().requires_grad_() for feature in features(5))
    identities = torch.tensor(IDENTITIES["repeated"])
    weighted, plain = (sdm_loss(image, text, identities, confidence=each) for each in (torch.ones(5), None))
    assert torch.equal(weighted, plain)
    gradients = [torch.autograd.grad(loss, (image, text)) for loss in (weighted, plain)]
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_nobody_trusted_is_zero_and_trains_nothing():
    image, text = (feature.requires_grad_() for feature in features(3))
    loss = sdm_loss(image, text, torch.arange(3), confidence=torch.zeros(3))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not image.grad.any()


def test_there_is_a_weight_for_every_row():
    image, text = features(3)
    with pytest.raises(ValueError, match="confidences for"):
        sdm_loss(image, text, torch.arange(3), confidence=torch.ones(1))


def test_gradients_equal_finite_differences():
    image, text = (feature.requires_grad_() for feature in features(4))
    identities = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(lambda i, t: sdm_loss(i, t, identities, 5.0), (image, text))
    trust = torch.tensor([0.2, 1.0, 0.0, 0.7])
    assert torch.autograd.gradcheck(lambda i, t: sdm_loss(i, t, identities, 5.0, trust), (image, text))


def test_perfect_separation_has_almost_no_loss():
    corners = torch.eye(4)[[0, 1, 2, 2]]
    assert float(sdm_loss(corners, corners * 3, torch.tensor([0, 1, 2, 2]))) == pytest.approx(0, abs=1e-5)


def test_order_of_the_batch_does_not_matter():
    image, text = features(5)
    identities = torch.tensor([0, 1, 0, 2, 1])
    order = torch.tensor([4, 2, 0, 3, 1])
    shuffled = sdm_loss(image[order], text[order], identities[order])
    assert float(shuffled) == pytest.approx(float(sdm_loss(image, text, identities)), abs=1e-12)


def test_half_precision_features_and_autocast_are_computed_in_float32():
    image, text = (feature.bfloat16() for feature in features(5))
    identities = torch.tensor([0, 1, 0, 2, 1])
    expected = sdm_loss(image.float(), text.float(), identities)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sdm_loss(image, text, identities)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
