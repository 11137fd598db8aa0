"""The folded form is the training form: any architecture, method, weights and inputs, in float32."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, note, settings
from hypothesis import strategies as st
from random_encoders import (
    encoder_configs,
    normalised,
    random_bytes,
    random_captions,
    random_encoder,
    relative,
)
from small_encoder import ADAPTERS, small_encoder
from torch import nn

from model.adapters.adapter import Adapter, TowerAdapter
from model.adapters.dm_adapter import DomainMixture
from model.blocks import QUICK
from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.inference.folding import _behind, _mixture, fold_text, fold_vision
from model.inference.form import InferenceForm
from model.inference.products import OneDnnProducts, TorchProducts

CPU = torch.device("cpu")
PRODUCTS = [TorchProducts(torch.float32, CPU), OneDnnProducts(torch.float32)]
BOUND = 1e-5
MARGIN = 1e-4
"""Between router logits; far above what float32's rounding makes of them."""

seeds = st.integers(0, 2**31)


def clear_rows(encoder: PersonEncoder, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Rows (pictures, then captions) in which no token's choice of experts hangs by rounding.

    The routers' logits are computed here in float64 from the stream of a float64 copy.
    """
    exact, least = copy.deepcopy(encoder).double(), []

    def watch(mixture: DomainMixture, inputs: tuple[torch.Tensor, ...]) -> None:
        alpha, gates = mixture.mixture.alpha, mixture.mixture
        z = F.layer_norm(inputs[0], mixture.norm.normalized_shape, mixture.norm.weight, mixture.norm.bias)
        own, domain = gates.input_gate.weight @ z.mT, gates.domain_gate.weight @ mixture.domain_prompt
        ranked = ((1 - alpha) * own + alpha * domain[:, None]).sort(dim=1, descending=True).values
        if ranked.shape[1] > gates.top_k:
            margins = ranked[:, gates.top_k - 1] - ranked[:, gates.top_k]
            least.append(margins.amin(dim=-1))

    for module in exact.modules():
        if isinstance(module, DomainMixture):
            module.register_forward_pre_hook(watch)
    counts, rows = (len(pixels), len(ids)), []
    for count, run in zip(counts, (lambda: exact.encode_image(pixels.double()),
                                   lambda: exact.encode_text(ids)), strict=True):  # fmt: skip
        least.clear()
        run()
        margins = torch.stack(least).amin(dim=0) if least else torch.full((count,), torch.inf)
        rows.append(margins > MARGIN)
    return torch.cat(rows)


@settings(max_examples=35, deadline=None)
@given(encoder_configs(), seeds, st.data())
def test_it_computes_what_the_training_form_computes(
    config: EncoderConfig, seed: int, data: st.DataObject
) -> None:
    encoder = random_encoder(config, seed)
    context = config.backbone.text.context_length
    lengths = data.draw(st.lists(st.integers(2, context), min_size=1, max_size=5))
    pixels, ids = random_bytes(config, 3, seed), random_captions(config, lengths, seed)
    inputs = normalised(config, pixels)
    images, texts = encoder.encode_image(inputs), encoder.encode_text(ids)
    clear = clear_rows(encoder, inputs, ids)
    note(f"{int(clear.sum())} of {len(clear)} rows hang by no rounding")
    for products in PRODUCTS:
        form = InferenceForm(encoder, products, CPU)
        for given_rows, expected, kept in (
            (form.encode_image(pixels), images, clear[: len(pixels)]),
            (form.encode_text(ids), texts, clear[len(pixels) :]),
        ):
            assert given_rows.dtype == torch.float32
            assert given_rows.shape == expected.shape
            if kept.any():
                assert relative(given_rows[kept], expected[kept]) <= BOUND


def test_most_rows_are_held_to_the_bound() -> None:
    """The rule above that leaves rows out must not empty the test."""
    encoder = small_encoder("dm_adapter").eval().requires_grad_(False)
    pixels, ids = random_bytes(encoder.config, 40, 0), torch.full((20, 77), 7)
    ids[:, 0], ids[:, 9] = 49406, 49407
    ids[:, 1] = torch.arange(1, 21)
    clear = clear_rows(encoder, normalised(encoder.config, pixels), ids)
    assert clear.float().mean() > 0.5


@pytest.mark.parametrize("method", list(ADAPTERS))
def test_folding_leaves_the_encoder_as_it_is_and_shares_nothing_with_it(method: str) -> None:
    encoder = small_encoder(method).eval()
    before = copy.deepcopy(encoder.state_dict())
    form = InferenceForm(encoder, PRODUCTS[1], CPU)
    pixels, ids = random_bytes(encoder.config, 2, 1), torch.full((1, 77), 49407)
    ids[0, :2] = torch.tensor([49406, 320])
    features = form.encode_image(pixels), form.encode_text(ids)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert not encoder.training
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    assert torch.equal(form.encode_image(pixels), features[0])
    assert torch.equal(form.encode_text(ids), features[1])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), seeds)
def test_a_layer_norm_goes_into_the_product_behind_it(width: int, outputs: int, seed: int) -> None:
    torch.manual_seed(seed)
    norm = nn.LayerNorm(width).double().requires_grad_(False)
    norm.weight.normal_()
    norm.bias.normal_()
    weight, bias = torch.randn(outputs, width), torch.randn(outputs)
    folded = _behind(norm, weight, bias)
    for length in (1e-3, 1.0, 1e4):  # of the stream; the small one is where eps counts
        x = length * torch.randn(7, width, dtype=torch.float64)
        plain = F.layer_norm(x, (width,), eps=norm.eps)
        given_rows = F.linear(plain, folded.weight.double(), folded.bias.double())
        expected = F.linear(norm(x), weight.double(), bias.double())
        torch.testing.assert_close(given_rows, expected, rtol=1e-5, atol=1e-5)


def test_quickgelu_is_silu_with_a_factor_before_and_a_divisor_behind() -> None:
    encoder = small_encoder().eval().requires_grad_(False)
    resblock, block = encoder.visual.transformer.resblocks[0], fold_vision(encoder).blocks[0]
    x = 3 * torch.randn(5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    c = F.linear(resblock.ln_2.double()(x), resblock.mlp.c_fc.double().weight, resblock.mlp.c_fc.bias)
    expected = resblock.mlp.c_proj.double()(c * torch.sigmoid(QUICK * c))
    hidden = F.silu(F.linear(F.layer_norm(x, (64,)), block.up.weight.double(), block.up.bias.double()))
    given_rows = F.linear(hidden, block.down.weight.double(), block.down.bias.double())
    torch.testing.assert_close(given_rows, expected, rtol=1e-5, atol=1e-6)
    assert block.activation == "silu"


def test_an_experts_bias_is_a_unit_that_is_always_one() -> None:
    encoder = small_encoder("dm_adapter").eval().requires_grad_(False)
    mixture = encoder.adapter.text[1]
    for expert in mixture.mixture.experts:
        expert.up.bias.normal_()
        expert.down.bias.normal_()
    folded, scale = _mixture(mixture, 3.5), 3.5
    x = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))
    units = torch.relu(F.linear(F.layer_norm(x, (64,)), folded.down.weight, folded.down.bias))
    units = units.view(6, 4, folded.units)
    assert torch.equal(units[..., -1], torch.ones(6, 4))
    for number, expert in enumerate(mixture.mixture.experts):
        alone = torch.zeros_like(units)
        alone[:, number] = units[:, number]
        given_rows = F.linear(alone.flatten(1), folded.up.weight, folded.up.bias)
        torch.testing.assert_close(given_rows, scale * expert(mixture.norm(x)), rtol=1e-4, atol=1e-5)


def test_an_unknown_method_is_refused_rather_than_left_out() -> None:
    class Other(TowerAdapter):
        """A method without an inference form."""

    class OtherAdapter(Adapter):
        def vision_tower(self) -> TowerAdapter:
            return Other()

        text_tower = vision_tower

    encoder = small_encoder().eval()
    encoder.adapter = OtherAdapter()
    for fold in (fold_vision, fold_text):
        with pytest.raises(ValueError, match="Other has no inference form"):
            fold(encoder)
