"""What every adapter method must keep, over the whole union, and the two methods' own arithmetic."""

import typing

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from small_encoder import ADAPTERS, captions, pixels, small_config, small_encoder

from model.adapters import AdapterConfig
from model.adapters.adapter import TowerAdapter, TowerShape
from model.adapters.cskt import (
    TEMPLATE_IDS,
    BidirectionalPrompts,
    CsktConfig,
    open_prompt_places,
    placeholder_ids,
)
from model.adapters.dm_adapter import DmAdapterConfig, MixtureOfAdapters, router_load
from model.encoder import PersonEncoder
from model.tokenizer import Tokenizer

METHODS = [
    config.model_fields["method"].default for config in typing.get_args(typing.get_args(AdapterConfig)[0])
]
every_method = pytest.mark.parametrize("method", METHODS)


def test_the_union_and_the_small_configurations_name_the_same_methods():
    assert sorted(METHODS) == sorted(ADAPTERS)


@every_method
def test_configuration_survives_json(method):
    config = small_config(ADAPTERS[method])
    assert type(config).model_validate_json(config.model_dump_json()) == config


@every_method
def test_defaults_fit_the_published_backbone(method):
    shapes = TowerShape(width=768, layers=12), TowerShape(width=512, layers=12)
    config = type(ADAPTERS[method])()
    config.check(*shapes, 77)


@every_method
def test_only_the_method_trains(method):
    encoder = small_encoder(method)
    names = [name for name, _ in encoder.trainable_parameters()]
    if encoder.adapter.trains_backbone:
        assert names == [name for name, _ in encoder.named_parameters()]
    else:
        assert names == [f"adapter.{name}" for name, _ in encoder.adapter.named_parameters()]


@every_method
def test_every_trainable_parameter_gets_a_finite_gradient(method):
    encoder = small_encoder(method)
    features = encoder(pixels(), captions(5, 20, 77))
    (features.image.square().sum() + features.text.square().sum() + features.auxiliary).backward()
    without = {name for name, parameter in encoder.trainable_parameters() if parameter.grad is None}
    third_level = "adapter.prompts.deep_text_to_vision.1."  # the vision tower has two blocks only
    assert without == ({third_level + "weight", third_level + "bias"} if method == "cskt" else set())
    for name, parameter in encoder.trainable_parameters():
        assert name in without or parameter.grad.isfinite().all(), name


@every_method
def test_a_caption_does_not_depend_on_its_batch(method):
    encoder = small_encoder(method).eval()
    ids = captions(5, 20, 77)
    with torch.no_grad():
        together = encoder.encode_text(ids)
        alone = torch.cat([encoder.encode_text(row[None], shorten=True) for row in ids])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@every_method
def test_captions_are_not_changed_in_place(method):
    encoder, ids = small_encoder(method), captions(5, 77)
    kept = ids.clone()
    encoder.adapter.caption_ids(ids)
    assert torch.equal(ids, kept)


@every_method
def test_bfloat16_autocast_stays_near_and_trains(method):
    encoder = small_encoder(method)
    exact = encoder(pixels(), captions(5, 20, 60))
    with torch.autocast("cpu", torch.bfloat16):
        quick = encoder(pixels(), captions(5, 20, 60))
        assert quick.image.dtype == quick.text.dtype == quick.auxiliary.dtype == torch.float32
        (quick.image.sum() + quick.text.sum() + quick.auxiliary).backward()
    assert F.cosine_similarity(exact.image, quick.image).min() > 0.99
    assert F.cosine_similarity(exact.text, quick.text).min() > 0.99


@every_method
def test_half_precision_weights_run(method):
    encoder = small_encoder(method).eval()
    with torch.no_grad():
        exact = encoder(pixels(), captions(5, 20))
        half = encoder.half()(pixels().half(), captions(5, 20))
    assert half.image.dtype == torch.float32
    assert F.cosine_similarity(exact.image, half.image).min() > 0.999
    assert F.cosine_similarity(exact.text, half.text).min() > 0.999


def test_a_tower_adapter_does_nothing():
    seams, x = TowerAdapter(), torch.randn(2, 3, 4)
    assert seams.extend(x) is x
    assert seams.before_block(0, x) is x
    assert seams.beside_mlp(0, x) == (None, None)


# CSKT


def naive_places(ids, prompts):
    """Row by row, as the published text says it."""
    room, rows = len(ids[0]) - 2 * prompts, []
    for row in ids.tolist():
        end = row.index(49407)
        if end < room:
            rows.append([row[0], *placeholder_ids(prompts), *row[1:room]])
        else:
            rows.append([row[0], *placeholder_ids(prompts), *row[1 : room - 1], 49407])
    return torch.tensor(rows)


@pytest.mark.parametrize("prompts", [1, 2, 4, 9])
def test_prompt_places(prompts):
    ids = captions(2, 3, 40, 77 - 2 * prompts - 1, 77 - 2 * prompts, 77 - 2 * prompts + 1, 76, 77)
    assert torch.equal(open_prompt_places(ids, prompts), naive_places(ids, prompts))


def test_template_ids_are_the_tokenizers():
    words = Tokenizer().encode(["a photo of a person or a pedestrian"])[0]
    assert tuple(words[1:9].tolist()) == TEMPLATE_IDS


def test_placeholders_never_reach_the_features():
    encoder, ids = small_encoder("cskt").eval(), captions(9, 30)
    placed = encoder.adapter.caption_ids(ids)
    other = placed.clone()
    other[:, 1:5] = 7
    with torch.no_grad():
        torch.testing.assert_close(encoder._text(placed)[0], encoder._text(other)[0])


def test_prompts_may_start_from_words():
    encoder = PersonEncoder(small_config(CsktConfig(prompts=3, depth=1, prompts_from_words=True)))
    table = encoder.text.token_embedding.weight
    encoder.adapter.backbone_loaded(table)
    assert torch.equal(encoder.adapter.prompts.text_prompt, table[[320, 1125, 539]])


def test_couplings_are_one_set_for_both_towers():
    prompts = BidirectionalPrompts(count=2, depth=2, vision_width=6, text_width=4)
    vision, text = prompts.for_vision(), prompts.for_text()
    carried = F.linear(prompts.text_prompt, prompts.text_to_vision.weight, prompts.text_to_vision.bias)
    assert torch.equal(vision[0], torch.cat([carried, prompts.vision_prompt]))
    back = prompts.deep_vision_to_text[0](prompts.deep_vision_prompts[0])
    assert torch.equal(text[1], torch.cat([prompts.deep_text_prompts[0], back]))


@pytest.mark.parametrize(
    ("adapter", "named"),
    [
        (CsktConfig(depth=4), "depth 4"),
        (CsktConfig(prompts=38, depth=1), "38 prompts"),
        (CsktConfig(depth=1, reduction=65), "reduction of 65"),
        (CsktConfig(depth=1, prompts=9, prompts_from_words=True), "at most 8"),
        (DmAdapterConfig(experts=2, top_k=3), "top_k 3"),
        (DmAdapterConfig(reduction=65), "reduction of 65"),
    ],
)
def test_a_method_that_does_not_fit_is_refused(adapter, named):
    with pytest.raises(ValidationError, match=named):
        small_config(adapter)


# DM-Adapter


def naive_mixture(mixture, z, domain_prompt):
    """Token by token, expert by expert."""
    out = torch.zeros_like(z)
    for b in range(z.shape[0]):
        for t in range(z.shape[1]):
            own = mixture.input_gate.weight @ z[b, t]
            logits = (1 - mixture.alpha) * own + mixture.alpha * (mixture.domain_gate.weight @ domain_prompt)
            best = logits.topk(mixture.top_k)
            for weight, expert in zip(best.values.softmax(0), best.indices, strict=True):
                out[b, t] += weight * mixture.experts[expert](z[b, t])
    return out


@pytest.fixture(params=[True, False], ids=["sorted", "all at once"])
def either_way(request, monkeypatch):
    """Both ways to compute the experts, whatever the number of tokens."""
    monkeypatch.setattr("model.adapters.experts.SORTED_FROM", 1 if request.param else 10**9)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("experts", "top_k"), [(1, 1), (4, 1), (6, 2), (3, 3)])
def test_the_mixture_against_its_definition(experts, top_k):
    torch.manual_seed(3)
    mixture = MixtureOfAdapters(16, DmAdapterConfig(experts=experts, top_k=top_k, reduction=4))
    for parameter in mixture.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    z, prompt, factors = torch.randn(2, 5, 16, requires_grad=True), torch.randn(16), torch.randn(2, 5, 16)
    out, expected = 0.5 * mixture(z, prompt)[0], naive_mixture(mixture, z, prompt) * 0.5
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixture(z, prompt, scale=0.5)[0], expected, atol=1e-5, rtol=1e-5)
    wanted = [z, *mixture.parameters()]
    ours, theirs = (
        torch.autograd.grad((factors * each).sum(), wanted, allow_unused=True, materialize_grads=True)
        for each in (out, expected)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("either_way")
def test_one_token_of_the_mixture_is_that_of_all():
    torch.manual_seed(4)
    mixture = MixtureOfAdapters(16, DmAdapterConfig(experts=4, top_k=2, reduction=4))
    for parameter in mixture.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    z, prompt = torch.randn(3, 5, 16), torch.randn(16)
    every, load = mixture(z, prompt)
    one, its_load = mixture(z, prompt, token=torch.tensor([4, 0, 2]))
    torch.testing.assert_close(one, torch.stack([every[0, 4:5], every[1, :1], every[2, 2:3]]))
    assert torch.equal(its_load.balance, load.balance)
    assert its_load.tokens == 15


@pytest.mark.usefixtures("either_way")
def test_an_expert_nobody_picks_gets_a_zero_gradient():
    mixture = MixtureOfAdapters(8, DmAdapterConfig(experts=3, top_k=1, reduction=2))
    with torch.no_grad():
        mixture.input_gate.weight.zero_()
        mixture.domain_gate.weight.zero_()
        mixture.domain_gate.weight[1] = 1.0
        mixture.experts[1].up.weight.normal_()
    mixture(torch.randn(2, 4, 8), torch.ones(8))[0].square().sum().backward()
    assert mixture.experts[1].down.weight.grad.abs().sum() > 0
    for index in (0, 2):
        for parameter in mixture.experts[index].parameters():
            assert torch.equal(parameter.grad, torch.zeros_like(parameter))


def test_balance_loss():
    even = torch.eye(4).repeat(3, 1) * 20
    assert router_load(even[None], even[None].topk(1).indices).balance.item() == pytest.approx(
        1 / 4, abs=1e-4
    )
    collapsed = torch.tensor([20.0, 0, 0, 0]).expand(1, 12, 4)
    assert router_load(collapsed, collapsed.topk(1).indices).balance.item() == pytest.approx(1, abs=1e-4)
    logits = torch.randn(2, 7, 5, requires_grad=True)
    selected = logits.topk(2).indices
    share = torch.stack([(selected == e).float().sum() / 14 for e in range(5)])
    expected = (logits.softmax(-1).mean((0, 1)) * share).sum()
    torch.testing.assert_close(router_load(logits, selected).balance, expected)


def test_untrained_dm_adapter_is_clip_itself():
    torch.manual_seed(0)
    adapted = PersonEncoder(small_config(ADAPTERS["dm_adapter"]))
    seams, ids = adapted.adapter, captions(4, 30, 77)
    with torch.no_grad():
        for tower, inputs, lent in (
            (adapted.visual, pixels(), seams.vision_tower()),
            (adapted.text, ids, seams.text_tower()),
        ):
            assert torch.equal(tower(inputs, lent)[0], tower(inputs, TowerAdapter())[0])
