"""Products of bytes: what oneDNN computes is what the rounding says, done here in float64."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import CheckpointError
from model.inference.folding import Affine
from model.inference.int8 import (
    LEAST_OUTPUT,
    HiddenScale,
    Int8Products,
    SiteScales,
    as_bytes,
    byte_linear,
    byte_mlp,
    bytes_available,
)
from model.inference.products import OneDnnProducts

needs_bytes = pytest.mark.skipif(not bytes_available(), reason="this processor multiplies no bytes")
FUNCTIONS = {"none": lambda x: x, "relu": torch.relu, "silu": F.silu, "gelu": F.gelu}
seeds = st.integers(0, 2**31)


def drawn(
    seed: int, rows: int, inputs: int, hidden: int
) -> tuple[Affine, Affine, torch.Tensor, torch.Tensor]:
    """Up, down, rows of which some lie beyond the bytes' reach, and a divisor uneven over the channels."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    up, down = Affine(normal(hidden, inputs), normal(hidden)), Affine(normal(inputs, hidden), normal(inputs))
    divisor = normal(inputs).abs().clamp(min=0.1) / 60
    return up, down, normal(rows, inputs), divisor


def rounded_product(affine: Affine, whole: torch.Tensor, divisor: torch.Tensor) -> torch.Tensor:
    """Signed inputs `whole` (rows, inputs) times the weight in signed bytes, in float64.

    What is rounded is computed in float32, so that a value half-way between two bytes falls to the same.
    """
    weight = affine.weight * divisor
    steps = weight.abs().amax(dim=1) / 127
    bytes_ = (weight / steps[:, None]).round()
    assert bytes_.abs().max() == 127
    return whole @ (bytes_.double() * steps[:, None].double()).mT + affine.bias.double()


def rounded_inputs(x: torch.Tensor, divisor: torch.Tensor) -> torch.Tensor:
    return (x * (1 / divisor) + 128.5).floor().clamp(0, 255).double() - 128


@needs_bytes
@pytest.mark.parametrize("after", list(FUNCTIONS))
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70), seeds)
def test_a_product_of_bytes_is_its_simulation(
    after: str, rows: int, inputs: int, outputs: int, seed: int
) -> None:
    affine, _, x, divisor = drawn(seed, rows, inputs, outputs)
    given_rows = byte_linear(affine, divisor, after, torch.float32)(x)
    expected = FUNCTIONS[after](rounded_product(affine, rounded_inputs(x, divisor), divisor))
    torch.testing.assert_close(given_rows.double(), expected, rtol=1e-5, atol=1e-4)


@needs_bytes
@pytest.mark.parametrize("after", ["relu", "silu", "gelu"])
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(2, 40), st.integers(2, 70), st.floats(0.1, 6), seeds)
def test_hidden_units_leave_the_first_product_as_bytes(
    after: str, rows: int, inputs: int, units: int, most: float, seed: int
) -> None:
    up, down, x, divisor = drawn(seed, rows, inputs, units)
    hidden = HiddenScale.reaching(most, after)
    stream = torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed))
    before = stream.clone()
    given_rows = byte_mlp(up, after, down, divisor, hidden)(x, stream)
    floats = FUNCTIONS[after](rounded_product(up, rounded_inputs(x, divisor), divisor))
    whole = (floats / hidden.step + hidden.zero).round().clamp(0, 255) - hidden.zero
    ones = torch.ones(units, dtype=torch.float64)
    expected = stream.double() + rounded_product(down, whole * hidden.step, ones)
    # a hidden unit near the middle between two bytes may fall to either: half of the units, at most, do
    largest_step = hidden.step * float(down.weight.abs().max())
    assert torch.equal(stream, before)
    torch.testing.assert_close(given_rows.double(), expected, rtol=1e-4, atol=2 * largest_step + 1e-4)
    assert (given_rows - expected).norm() <= 0.02 * expected.norm() + 1e-3


@given(
    st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=20),
    st.floats(min_value=2**-10, max_value=2**6, width=32),
)
def test_bytes_are_the_nearest_and_cut_off_at_both_ends(values: list[float], inverse: float) -> None:
    given_bytes = as_bytes(torch.tensor([values]), torch.full((len(values),), inverse))
    for value, byte in zip(values, given_bytes[0].tolist(), strict=True):
        exact = min(max(Fraction(value) * Fraction(inverse) + 128, Fraction(0)), Fraction(255))
        assert abs(byte - exact) <= Fraction(1, 2) + Fraction(1, 10_000)


@pytest.mark.parametrize("after", list(LEAST_OUTPUT))
@given(st.floats(-10, 1000))
def test_a_hidden_scale_holds_both_ends_and_nought_exactly(after: str, most: float) -> None:
    scale = HiddenScale.reaching(most, after)
    lowest, highest = (0 - scale.zero) * scale.step, (255 - scale.zero) * scale.step
    assert 0 <= scale.zero <= 255
    assert scale.step > 0
    assert lowest <= LEAST_OUTPUT[after] + scale.step / 2
    assert highest >= most - scale.step / 2
    inputs = torch.linspace(-8, 8, 2001, dtype=torch.float64)
    assert FUNCTIONS[after](inputs).min() >= LEAST_OUTPUT[after]


@needs_bytes
@pytest.mark.parametrize("count", [1, 7, 64])
def test_a_row_does_not_depend_on_its_batch(count: int) -> None:
    up, down, x, divisor = drawn(3, 64, 32, 48)
    hidden, stream = HiddenScale.reaching(2.0, "silu"), torch.zeros(64, 32)
    run = byte_mlp(up, "silu", down, divisor, hidden)
    given_rows, expected = run(x[:count], stream[:count]), run(x, stream)[:count]
    torch.testing.assert_close(given_rows, expected, rtol=1e-6, atol=1e-5)  # the sums are whole numbers


@needs_bytes
def test_sites_without_scales_are_left_to_floats() -> None:
    up, down, x, divisor = drawn(0, 4, 16, 24)
    others = OneDnnProducts(torch.float32)
    products = Int8Products({"a": SiteScales(divisor), "b": SiteScales(divisor)}, others)
    stream = torch.zeros(4, 16)
    assert torch.equal(products.linear("elsewhere", up)(x), others.linear("", up)(x))
    assert torch.equal(products.added("a", down)(torch.relu(x @ up.weight.T), stream),
                       others.added("", down)(torch.relu(x @ up.weight.T), stream))  # fmt: skip
    # scales without a hidden part are a linear map's alone
    assert torch.equal(
        products.mlp("b", up, "silu", down)(x, stream), others.mlp("", up, "silu", down)(x, stream)
    )
    assert not torch.equal(products.linear("a", up)(x), others.linear("", up)(x))


@pytest.mark.parametrize("length", [1, 15, 17])
def test_scales_of_another_length_are_refused_where_the_form_is_built(length: int) -> None:
    up, down, _, _ = drawn(0, 4, 16, 24)
    scales = SiteScales(torch.ones(length), HiddenScale(0.1, 3))
    products = Int8Products({"visual.0.mlp": scales}, OneDnnProducts(torch.float32))
    said = f"visual.0.mlp has 16 inputs, not {length}; run cskt export --precision int8 again"
    with pytest.raises(CheckpointError, match=said):
        products.linear("visual.0.mlp", up)
    with pytest.raises(CheckpointError, match=said):
        products.mlp("visual.0.mlp", up, "silu", down)
