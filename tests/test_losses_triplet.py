"""The triplet loss against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.triplet import triplet_loss


def features(rows, width=6, seed=1, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        spread * torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(2)
    )


def naive_triplet(image, text, identities, margin):
    image, text = image.tolist(), text.tolist()
    total = 0.0
    for queries, others in ((image, text), (text, image)):
        for row, query in enumerate(queries):
            distances = [math.dist(query, other) for other in others]
            negatives = [d for d, who in zip(distances, identities, strict=True) if who != identities[row]]
            if negatives:
                total += max(0.0, margin + distances[row] - min(negatives)) / len(queries)
    return total


@pytest.mark.parametrize("identities", [[0, 1, 2, 3, 4], [3, 1, 3, 3, 1], [7] * 5])
def test_triplet_equals_the_loops(identities):
    image, text = features(5, spread=0.5)
    loss = triplet_loss(image, text, torch.tensor(identities), margin=1.0)
    assert float(loss) == pytest.approx(naive_triplet(image, text, identities, 1.0), abs=1e-10)


def test_the_margin_counts():
    image, text = features(5, spread=0.5)
    identities = [0, 1, 0, 2, 3]
    loss = triplet_loss(image, text, torch.tensor(identities), margin=0.3)
    assert float(loss) == pytest.approx(naive_triplet(image, text, identities, 0.3), abs=1e-10)


def test_gradients_equal_finite_differences():
    image, text = (feature.requires_grad_() for feature in features(4))
    assert torch.autograd.gradcheck(
        lambda i, t: triplet_loss(i, t, torch.tensor([0, 1, 0, 2])), (image, text)
    )


def test_a_batch_of_one_person_still_has_a_gradient():
    image, text = (feature.requires_grad_() for feature in features(3))
    triplet_loss(image, text, torch.tensor([4, 4, 4])).backward()
    assert float(image.grad.abs().sum()) == 0


def test_autocast_does_not_reach_the_loss():
    image, text = (feature.bfloat16() for feature in features(5))
    identities = torch.tensor([0, 1, 0, 2, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = triplet_loss(image, text, identities)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, triplet_loss(image.float(), text.float(), identities))
