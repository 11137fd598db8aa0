"""PersonEncoder: what comes out, what trains, and which mode its parts are in."""

import copy
from dataclasses import replace

import pytest
import torch
from small_encoder import ADAPTERS, captions, pixels, small_config, small_encoder
from torch import nn

from model.encoder import PersonEncoder
from model.frozen_linear import ROWS_FROM, linear_parts
from model.losses.sdm import sdm_loss
from model.published_form import PublishedForm


@pytest.mark.parametrize("method", ADAPTERS)
def test_features(method):
    encoder = small_encoder(method).eval()
    ids = captions(5, 20, 77)
    with torch.no_grad():
        features = encoder(pixels(), ids)
        torch.testing.assert_close(features.image, encoder.encode_image(pixels()))
        torch.testing.assert_close(features.text, encoder.encode_text(ids))
    assert features.image.shape == features.text.shape == (3, 32)
    assert features.auxiliary.shape == ()
    assert (features.auxiliary > 0) == (method == "dm_adapter")


def test_images_and_captions_may_differ_in_number():
    features = small_encoder()(pixels(2), captions(5, 6, 7, 8))
    assert (len(features.image), len(features.text)) == (2, 4)


def with_stem(method):
    return PersonEncoder(small_config(ADAPTERS[method], stem_widths=(8, 16)))


@pytest.mark.parametrize("method", ["cskt", "dm_adapter"])
def test_a_frozen_backbone_does_not_move(method):
    encoder = with_stem(method).train()
    before = copy.deepcopy({**encoder.visual.state_dict(), **encoder.text.state_dict()})
    optimizer = torch.optim.SGD([p for _, p in encoder.trainable_parameters()], lr=0.1)
    features = encoder(pixels(), captions(5, 6, 7))
    (features.image.sum() + features.text.sum()).backward()
    optimizer.step()
    after = {**encoder.visual.state_dict(), **encoder.text.state_dict()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert encoder.adapter.training
    assert not any(m.training for m in encoder.visual.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_trained_stem_counts_its_batches():
    encoder = with_stem("full").train()
    encoder(pixels(), captions(5, 6, 7))
    norms = [m for m in encoder.visual.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training and norm.num_batches_tracked == 1 for norm in norms)


def test_freezing_again_after_hands_on():
    encoder = small_encoder("cskt")
    encoder.requires_grad_(True)
    encoder.freeze()
    assert all(name.startswith("adapter.") for name, _ in encoder.trainable_parameters())


def test_training_and_evaluation_agree():
    encoder = small_encoder("dm_adapter")
    with torch.no_grad():
        trained, evaluated = encoder.train().encode_image(pixels()), encoder.eval().encode_image(pixels())
    torch.testing.assert_close(trained, evaluated, atol=1e-5, rtol=0)


def losses_gradients(encoder, features):
    """The gradients of SDM + 0.5 balance by name."""
    loss = sdm_loss(features.image, features.text, torch.tensor([0, 1, 1])) + 0.5 * features.auxiliary
    encoder.zero_grad(set_to_none=True)
    loss.backward()
    return {name: value.grad for name, value in encoder.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("method", ADAPTERS)
@pytest.mark.parametrize("images", [3, 60])
def test_features_and_gradients_are_those_of_the_published_form(method, images):
    """Few tokens and many: the experts are computed another way from some number on."""
    encoder, ids = small_encoder(method), captions(5, 20, 31)
    pictures = pixels(images)
    plain = PublishedForm(encoder)(pictures, ids)
    ours = encoder(pictures, ids)
    torch.testing.assert_close(ours.image, plain.image, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.text, plain.text, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.auxiliary, plain.auxiliary)
    expected, gradients = (
        losses_gradients(encoder, replace(features, image=features.image[:3])) for features in (plain, ours)
    )
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert (gradient - expected[name]).norm() <= 1e-4 * expected[name].norm() + 1e-7, name


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("rows", [2, 2 * ROWS_FROM])
@pytest.mark.parametrize("trained", [False, True])
def test_a_linear_layer_in_parts(parts, rows, trained):
    torch.manual_seed(0)
    weight, bias = torch.randn(12, 8, requires_grad=trained), torch.randn(12)
    x, factors = torch.randn(2, rows // 2, 8, requires_grad=True), torch.randn(2, rows // 2, 12)
    expected = x @ weight.T + bias
    found = torch.cat(linear_parts(x, weight, bias, parts), dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    wanted = [x, weight] if trained else [x]
    gradients = torch.autograd.grad((found * factors).sum(), wanted)
    expected_gradients = torch.autograd.grad((expected * factors).sum(), wanted)
    torch.testing.assert_close(gradients, expected_gradients, atol=1e-5, rtol=1e-5)
