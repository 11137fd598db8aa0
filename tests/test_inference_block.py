"""One folded block: the experts that are picked, and the one token that is asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_encoder import ADAPTERS, small_encoder

from model.inference.block import BlockRun, routing
from model.inference.folding import fold_text, fold_vision
from model.inference.products import OneDnnProducts, TorchProducts

CPU = torch.device("cpu")
PRODUCTS = [TorchProducts(torch.float32, CPU), OneDnnProducts(torch.float32)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.data())
def test_routing_is_the_softmax_over_the_best(experts: int, data: st.DataObject) -> None:
    top_k = data.draw(st.integers(1, experts))
    one = st.lists(st.floats(-40, 40, width=32), min_size=experts, max_size=experts, unique=True)
    rows = data.draw(st.lists(one, min_size=1, max_size=4))
    weights = routing(torch.tensor([rows]), top_k)
    for logits, given_weights in zip(rows, weights[0].double(), strict=True):
        best = sorted(range(experts), key=lambda number: -logits[number])[:top_k]
        powers = torch.tensor(logits, dtype=torch.float64).sub(max(logits)).exp()
        total = sum(float(powers[number]) for number in best)
        for number in range(experts):
            expected = float(powers[number]) / total if number in best else 0.0
            assert float(given_weights[number]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("products", PRODUCTS, ids=["torch", "oneDNN"])
@pytest.mark.parametrize("method", list(ADAPTERS))
@pytest.mark.parametrize("tower", ["vision", "text"])
def test_the_one_token_is_that_of_the_whole_block(method: str, tower: str, products: object) -> None:
    """Also with keys and values that stand beside the stream's own, and with a mask."""
    encoder = small_encoder(method).eval()
    block = (fold_vision if tower == "vision" else fold_text)(encoder).blocks[0]
    whole = BlockRun(block, products, CPU, "site", one_token=False)
    alone = BlockRun(block, products, CPU, "site", one_token=True)
    assert whole.known_tokens == (4 if method == "cskt" else 0)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(5, 9, 64, generator=random)
    token = torch.tensor([0, 8, 3, 3, 5])
    visible = torch.rand(9, whole.known_tokens + 9, generator=random) < 0.5
    visible[:, -1] = True
    for mask in (None, visible):
        expected = whole(x, mask)[torch.arange(5), token]
        own = None if mask is None else mask[token][:, None, None]
        given_rows = alone.one(x, token, own)
        assert given_rows.shape == (5, 1, 64)
        torch.testing.assert_close(given_rows[:, 0], expected, rtol=1e-5, atol=1e-5)
