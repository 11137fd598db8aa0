"""The contrast loss against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.itc import itc_loss


def features(rows, width=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(2))


def cosine(left, right):
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / math.sqrt(sum(a * a for a in left)) / math.sqrt(sum(b * b for b in right))


def naive_itc(image, text, scale):
    image, text = image.tolist(), text.tolist()
    total = 0.0
    for queries, others in ((image, text), (text, image)):
        for row, query in enumerate(queries):
            logits = [scale * cosine(query, other) for other in others]
            peak = max(logits)
            total += peak + math.log(sum(math.exp(value - peak) for value in logits)) - logits[row]
    return total / (2 * len(image))


@pytest.mark.parametrize("scale", [50.0, 1 / 0.07])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_itc_equals_the_loops(rows, scale):
    image, text = features(rows)
    assert float(itc_loss(image, text, scale)) == pytest.approx(naive_itc(image, text, scale), abs=1e-10)


def test_gradients_equal_finite_differences():
    image, text = (feature.requires_grad_() for feature in features(4))
    assert torch.autograd.gradcheck(lambda i, t: itc_loss(i, t, 5.0), (image, text))


def test_autocast_does_not_reach_the_loss():
    image, text = (feature.bfloat16() for feature in features(5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = itc_loss(image, text)
    assert torch.equal(loss, itc_loss(image.float(), text.float()))
