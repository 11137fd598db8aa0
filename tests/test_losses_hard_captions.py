"""The swapped-caption loss against a second implementation in plain loops."""

import math

import pytest
import torch

from model.losses.hard_captions import hard_captions_loss

SOME = torch.tensor([True, False, True, True])


def features(rows=4, width=6, seed=6):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, width, generator=generator, dtype=torch.float64) for _ in range(3))


def cosine(left, right):
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / math.sqrt(sum(a * a for a in left)) / math.sqrt(sum(b * b for b in right))


def naive(image, text, hard_text, known, scale):
    costs = []
    for picture, own, swapped, counts in zip(
        image.tolist(), text.tolist(), hard_text.tolist(), known.tolist(), strict=True
    ):
        if counts:
            mine, other = math.exp(scale * cosine(picture, own)), math.exp(scale * cosine(picture, swapped))
            costs.append(-math.log(mine / (mine + other)))
    return sum(costs) / len(costs) if costs else 0.0


@pytest.mark.parametrize("scale", [50.0, 1.0])
@pytest.mark.parametrize("known", [SOME, ~SOME, SOME | True], ids=["some", "one", "all"])
def test_equals_the_loops(known, scale):
    image, text, hard_text = features()
    loss = hard_captions_loss(image, text, hard_text, known, scale)
    assert float(loss) == pytest.approx(naive(image, text, hard_text, known, scale), abs=1e-10)


def test_gradients_equal_finite_differences():
    inputs = tuple(feature.requires_grad_() for feature in features())
    assert torch.autograd.gradcheck(lambda i, t, h: hard_captions_loss(i, t, h, SOME, 5.0), inputs)


def test_the_swapped_caption_of_an_unmarked_row_may_hold_anything():
    image, text, hard_text = features()
    odd = hard_text.clone()
    odd[1] = torch.nan
    odd.requires_grad_()
    loss = hard_captions_loss(image, text, odd, SOME)
    loss.backward()
    assert torch.equal(loss.detach(), hard_captions_loss(image, text, hard_text, SOME))
    assert not odd.grad[1].any()


def test_no_swapped_caption_is_zero_and_trains_nothing():
    image, text, hard_text = (feature.requires_grad_() for feature in features())
    loss = hard_captions_loss(image, text, hard_text, torch.zeros(4, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not any(feature.grad.any() for feature in (image, text, hard_text))


@pytest.mark.parametrize("mask", [torch.ones(4), torch.ones(3, dtype=torch.bool)])
def test_the_mask_is_one_truth_a_row(mask):
    with pytest.raises(ValueError, match="hard_known is"):
        hard_captions_loss(*features(), mask)


def test_autocast_does_not_reach_the_loss():
    image, text, hard_text = (feature.bfloat16() for feature in features())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = hard_captions_loss(image, text, hard_text, SOME)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, hard_captions_loss(image.float(), text.float(), hard_text.float(), SOME))
