"""The Triplet Alignment Loss against a second implementation in plain loops, and its behaviour."""

import math

import pytest
import torch

from model.losses.tal import tal_loss

IDENTITIES = {"all different": [0, 1, 2, 3, 4], "repeated": [3, 1, 3, 3, 1], "a lone one": [7, 7, 7, 7, 2]}


def features(rows, width=6, seed=4):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(2))


def naive_rows(cosine, identities, margin, temperature):
    """`cosine` is rows of scalar tensors; the shares of the positives are plain numbers, so no gradient."""
    costs = []
    for row, who in zip(cosine, identities, strict=True):
        mine = [s for s, other in zip(row, identities, strict=True) if other == who]
        wrong = [s for s, other in zip(row, identities, strict=True) if other != who]
        if not wrong:
            costs.append(0.0)
            continue
        shares = [math.exp(s.item() / temperature) for s in mine]
        positive = sum(share / sum(shares) * s for share, s in zip(shares, mine, strict=True))
        peak = max(s.item() for s in wrong)
        above = sum(torch.exp((s - peak) / temperature) for s in wrong)
        cost = margin - positive + peak + temperature * torch.log(above)
        costs.append(cost if cost.item() > 0 else 0.0 * cost)
    return costs


def naive_tal(image, text, identities, margin, temperature, weights=None):
    image = [row / row.pow(2).sum().sqrt() for row in image]
    text = [row / row.pow(2).sum().sqrt() for row in text]
    forth = [[(i * t).sum() for t in text] for i in image]
    back = [[(t * i).sum() for i in image] for t in text]
    weights = weights or [1.0] * len(identities)
    total = 0.0
    for table in (forth, back):
        rows = naive_rows(table, identities, margin, temperature)
        total = total + sum(w * row for w, row in zip(weights, rows, strict=True)) / sum(weights)
    return total


@pytest.mark.parametrize(("margin", "temperature"), [(0.1, 0.015), (0.5, 0.2)])
@pytest.mark.parametrize("identities", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_equals_the_loops(identities, margin, temperature):
    image, text = features(5)
    loss = tal_loss(image, text, torch.tensor(identities), margin, temperature)
    expected = naive_tal(image, text, identities, margin, temperature)
    assert float(loss) > 0
    assert float(loss) == pytest.approx(float(expected), abs=1e-10)


@pytest.mark.parametrize("identities", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_gradients_equal_the_loops_with_constant_shares(identities):
    image, text = (feature.requires_grad_() for feature in features(5))
    ours = torch.autograd.grad(tal_loss(image, text, torch.tensor(identities), 0.1, 0.1), (image, text))
    theirs = torch.autograd.grad(naive_tal(image, text, identities, 0.1, 0.1), (image, text))
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-8)


def test_gradients_equal_finite_differences_where_each_has_one_positive():
    image, text = (feature.requires_grad_() for feature in features(4))
    assert torch.autograd.gradcheck(lambda i, t: tal_loss(i, t, torch.arange(4), 0.1, 0.2), (image, text))


def test_a_weak_positive_is_pulled_not_pushed():
    """Text 1 is the same person's as text 0 and fits image 0 far worse: its similarity still rises."""
    image = torch.eye(3, dtype=torch.float64)
    text = torch.tensor([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.9, 0.2, 1.0]], dtype=torch.float64)
    text.requires_grad_()
    loss = tal_loss(image, text, torch.tensor([0, 0, 1]), margin=0.5, temperature=0.2)
    loss.backward()
    stepped = (text - 1e-3 * text.grad).detach()
    before, after = (torch.nn.functional.normalize(rows, dim=1)[1, 0] for rows in (text.detach(), stepped))
    assert float(after) > float(before)


def test_well_separated_people_cost_nothing():
    corners = torch.eye(4)[[0, 1, 2, 2]]
    assert float(tal_loss(corners, corners * 3, torch.tensor([0, 1, 2, 2]))) == 0


def test_a_batch_of_one_person_is_zero_and_trains_nothing():
    image, text = (feature.requires_grad_() for feature in features(3))
    loss = tal_loss(image, text, torch.tensor([4, 4, 4]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not image.grad.any()


def test_rows_weigh_what_they_are_trusted():
    image, text = features(5)
    identities, weights = IDENTITIES["repeated"], [0.3, 1.0, 0.0, 0.75, 0.1]
    loss = tal_loss(image, text, torch.tensor(identities), confidence=torch.tensor(weights))
    expected = naive_tal(image, text, identities, 0.1, 0.015, torch.tensor(weights).tolist())
    assert float(loss) == pytest.approx(float(expected), abs=1e-10)
    plain = tal_loss(image, text, torch.tensor(identities))
    assert torch.equal(tal_loss(image, text, torch.tensor(identities), confidence=torch.ones(5)), plain)


def test_half_precision_features_and_autocast_are_computed_in_float32():
    image, text = (feature.bfloat16() for feature in features(5))
    identities = torch.tensor([0, 1, 0, 2, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tal_loss(image, text, identities)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, tal_loss(image.float(), text.float(), identities))
