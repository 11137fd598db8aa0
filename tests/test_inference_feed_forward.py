"""What follows attention: the experts that are picked, and two arrangements of the same sums."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from random_encoders import encoder_configs, random_encoder, relative

from model.adapters.experts import pick_experts
from model.config import EncoderConfig
from model.inference.feed_forward import fused, merged
from model.inference.folding import fold_text
from model.inference.products import OneDnnProducts, TorchProducts

PRODUCTS = [TorchProducts(torch.float32, torch.device("cpu")), OneDnnProducts(torch.float32)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.data())
def test_routing_is_the_softmax_over_the_best(experts: int, data: st.DataObject) -> None:
    top_k = data.draw(st.integers(1, experts))
    one = st.lists(st.floats(-40, 40, width=32), min_size=experts, max_size=experts, unique=True)
    rows = data.draw(st.lists(one, min_size=1, max_size=4))
    weights, _ = pick_experts(torch.tensor([rows]), top_k)
    for logits, given_weights in zip(rows, weights[0].double(), strict=True):
        best = sorted(range(experts), key=lambda number: -logits[number])[:top_k]
        powers = torch.tensor(logits, dtype=torch.float64).sub(max(logits)).exp()
        total = sum(float(powers[number]) for number in best)
        for number in range(experts):
            expected = float(powers[number]) / total if number in best else 0.0
            assert float(given_weights[number]) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(encoder_configs(), st.integers(0, 2**31))
def test_both_arrangements_add_what_the_block_adds(config: EncoderConfig, seed: int) -> None:
    """Against the training form's own modules, in float64."""
    encoder = random_encoder(config, seed)
    folded, width = fold_text(encoder).blocks[0], config.backbone.text.width
    x = torch.randn(2, 5, width, generator=torch.Generator().manual_seed(seed))
    normalised, before = F.layer_norm(x, (width,), eps=folded.eps), x.clone()
    runs = [
        arrangement(folded, products, "site")(normalised, x)
        for arrangement in (fused, merged)
        for products in PRODUCTS
    ]
    assert torch.equal(x, before)
    block, exact, wide = encoder.double().text.transformer.resblocks[0], x.double(), normalised.double()
    up, beside = block.mlp.c_fc(block.ln_2(exact)), encoder.adapter.text_tower().beside_mlp(0, exact)[0]
    hidden = up * torch.sigmoid(1.702 * up) if config.backbone.quick_gelu else F.gelu(up)
    expected = exact + block.mlp.c_proj(hidden) + (0 if beside is None else beside)
    if config.adapter.method == "dm_adapter" and not _clear(folded.beside, wide):
        return  # some token's choice of experts hangs by rounding
    for given_rows in runs:
        assert relative(given_rows, expected) <= 1e-5


def _clear(mixture: object, normalised: torch.Tensor) -> bool:
    logits = F.linear(normalised, mixture.gate.weight.double(), mixture.gate.bias.double())
    ranked = logits.sort(dim=-1, descending=True).values
    top_k = mixture.top_k
    return top_k == ranked.shape[-1] or bool((ranked[..., top_k - 1] - ranked[..., top_k]).min() > 1e-4)
