"""One folded block: the one token that is asked for, and keys that are there for the count alone."""

import pytest
import torch
from small_encoder import ADAPTERS, small_encoder

from model.inference.block import BlockRun
from model.inference.feed_forward import fused, merged
from model.inference.folding import FoldedBlock, fold_text, fold_vision
from model.inference.products import OneDnnProducts, Products, TorchProducts

CPU = torch.device("cpu")
PRODUCTS = [TorchProducts(torch.float32, CPU), OneDnnProducts(torch.float32)]
products_of_each_kind = pytest.mark.parametrize("products", PRODUCTS, ids=["torch", "oneDNN"])


def first_block(method: str, tower: str) -> FoldedBlock:
    encoder = small_encoder(method).eval()
    return (fold_vision if tower == "vision" else fold_text)(encoder).blocks[0]


def stream() -> torch.Tensor:
    return torch.randn(5, 9, 64, generator=torch.Generator().manual_seed(0))


def hiding(keys: int) -> torch.Tensor:
    """What is added to scores (9, keys): half of them -inf, in no order; the last never."""
    seen = torch.rand(9, keys, generator=torch.Generator().manual_seed(1)) < 0.5
    seen[:, -1] = True
    return torch.zeros(9, keys).masked_fill(~seen, float("-inf"))


@products_of_each_kind
@pytest.mark.parametrize("arrangement", [fused, merged])
@pytest.mark.parametrize("method", list(ADAPTERS))
@pytest.mark.parametrize("tower", ["vision", "text"])
def test_the_one_token_is_that_of_the_whole_block(
    method: str, tower: str, arrangement: object, products: Products
) -> None:
    """Also with keys and values that stand beside the stream's own, and with a mask."""
    block, x, token = first_block(method, tower), stream(), torch.tensor([0, 8, 3, 3, 5])
    whole = BlockRun(block, products, CPU, arrangement, "site", one_token=False)
    alone = BlockRun(block, products, CPU, arrangement, "site", one_token=True)
    assert whole.known_tokens == (4 if method == "cskt" else 0)
    before = x.clone()
    for hidden in (None, hiding(whole.known_tokens + 9)):
        expected = whole(x, hidden)[torch.arange(5), token]
        given_rows = alone.one(x, token, None if hidden is None else hidden[token][:, None, None])
        assert given_rows.shape == (5, 1, 64)
        torch.testing.assert_close(given_rows[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


@products_of_each_kind
@pytest.mark.parametrize("method", list(ADAPTERS))
@pytest.mark.parametrize("spare", [1, 7])
def test_spare_keys_that_are_hidden_change_nothing(method: str, spare: int, products: Products) -> None:
    block, x = first_block(method, "vision"), stream()
    run = BlockRun(block, products, CPU, fused, "site", one_token=False)
    hidden = torch.zeros(1, spare + run.known_tokens + 9)
    hidden[:, :spare] = float("-inf")
    torch.testing.assert_close(run(x, hidden), run(x, None), rtol=1e-5, atol=1e-6)
