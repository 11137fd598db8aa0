"""Each way to execute a linear map gives the map, whatever follows it."""

import pytest
import torch
import torch.nn.functional as F

from model.inference.folding import Affine
from model.inference.products import OneDnnProducts, Products, TorchProducts, onednn_available

WAYS = {
    "torch": TorchProducts(torch.float32, torch.device("cpu")),
    "oneDNN": OneDnnProducts(torch.float32),
    "torch bfloat16": TorchProducts(torch.bfloat16, torch.device("cpu")),
    "oneDNN bfloat16": OneDnnProducts(torch.bfloat16),
}


def arranges(dtype: torch.dtype) -> bool:
    """Whether oneDNN has this number format on this processor; for bfloat16 it wants AVX-512 or newer."""
    try:
        torch.ops.mkldnn._reorder_linear_weight(torch.zeros(8, 8, dtype=dtype))
    except RuntimeError:
        return False
    return True


FUNCTIONS = {"none": lambda x: x, "relu": torch.relu, "silu": F.silu, "gelu": F.gelu}

pytestmark = pytest.mark.skipif(not onednn_available(), reason="this torch has no oneDNN operators")


@pytest.fixture(params=list(WAYS))
def products(request: pytest.FixtureRequest) -> Products:
    way = WAYS[request.param]
    if isinstance(way, OneDnnProducts) and not arranges(way.dtype):
        pytest.skip(f"oneDNN has no {way.dtype} on this processor")
    return way


def maps() -> tuple[Affine, Affine, torch.Tensor, torch.Tensor]:
    """Up 24 -> 40, down 40 -> 24, x and a stream (3, 5, 24) that is no contiguous piece of memory."""
    random = torch.Generator().manual_seed(0)
    up = Affine(torch.randn(40, 24, generator=random) / 5, torch.randn(40, generator=random))
    down = Affine(torch.randn(24, 40, generator=random) / 6, torch.randn(24, generator=random))
    x, stream = torch.randn(2, 3, 5, 48, generator=random)[..., ::2]
    return up, down, x, stream


def assert_near(products: Products, given: torch.Tensor, expected: torch.Tensor) -> None:
    assert given.dtype == products.dtype
    bound = 1e-5 if products.dtype == torch.float32 else 0.02
    torch.testing.assert_close(given.double(), expected, rtol=bound, atol=bound * float(expected.abs().max()))


def product(affine: Affine, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x.double(), affine.weight.double(), affine.bias.double())


@pytest.mark.parametrize("after", list(FUNCTIONS))
def test_a_product_and_a_function(products: Products, after: str) -> None:
    up, _, x, _ = maps()
    given = products.linear("site", up, after)(x.to(products.dtype))
    assert_near(products, given, FUNCTIONS[after](product(up, x)))


def test_a_product_added_to_the_stream_which_stays_as_it_is(products: Products) -> None:
    up, _, x, _ = maps()
    stream = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(1)).to(products.dtype)
    before = stream.clone()
    given = products.added("site", up)(x.to(products.dtype), stream)
    assert_near(products, given, before.double() + product(up, x))
    assert torch.equal(stream, before)


@pytest.mark.parametrize("after", ["relu", "silu", "gelu"])
def test_an_mlp_added_to_the_stream_which_stays_as_it_is(products: Products, after: str) -> None:
    up, down, x, stream = maps()
    stream = stream.to(products.dtype)
    before = stream.clone()
    given = products.mlp("site", up, after, down)(x.to(products.dtype), stream)
    assert_near(products, given, before.double() + product(down, FUNCTIONS[after](product(up, x))))
    assert torch.equal(stream, before)


def test_one_input_and_one_output_are_enough(products: Products) -> None:
    affine = Affine(torch.tensor([[2.0]]), torch.tensor([-1.0]))
    x = torch.tensor([[[3.0]]], dtype=products.dtype)
    assert float(products.linear("site", affine)(x)) == 5
    assert float(products.added("site", affine)(x, x)) == 8
