"""Calibration: scales with which the products err least, and none where even those err too much."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_encoder import captions, small_encoder

from model.inference import calibration
from model.inference.calibration import calibrate, fit_linear, fit_mlp
from model.inference.folding import Affine
from model.inference.form import build_form
from model.inference.int8 import HiddenScale, byte_linear, byte_mlp, bytes_available
from model.inference.precision import Precision, quick_bfloat16

pytestmark = pytest.mark.skipif(not bytes_available(), reason="this processor multiplies no bytes")
seeds = st.integers(0, 2**31)


def uneven(seed: int) -> tuple[Affine, Affine, torch.Tensor]:
    """Up 24 -> 40, down, and rows (50, 24) with loud channels and a few outliers."""
    random = torch.Generator().manual_seed(seed)
    up = Affine(torch.randn(40, 24, generator=random) / 5, torch.randn(40, generator=random))
    down = Affine(torch.randn(24, 40, generator=random) / 6, torch.randn(24, generator=random))
    rows = torch.randn(50, 24, generator=random) * torch.exp(1.5 * torch.randn(24, generator=random))
    rows[3, 5] *= 30
    return up, down, rows


def error(given: torch.Tensor, exact: torch.Tensor) -> float:
    return float((given - exact).norm() / exact.norm())


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_a_product_errs_no_more_than_with_the_largest_value_as_reach(seed: int) -> None:
    up, _, rows = uneven(seed)
    exact = F.linear(rows, up.weight, up.bias)
    plain = torch.full((24,), float(rows.abs().max()) / 127)
    fit = fit_linear(up, rows)
    assert fit.error <= error(byte_linear(up, plain, "none", torch.float32)(rows), exact) * (1 + 1e-4)
    chosen = byte_linear(up, fit.scales.divisor, "none", torch.float32)(rows)
    assert error(chosen, exact) == pytest.approx(fit.error, rel=1e-3)
    assert fit.scales.hidden is None


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from(("silu", "gelu", "relu")))
def test_an_mlp_errs_no_more_than_with_the_largest_hidden_unit_as_reach(seed: int, after: str) -> None:
    up, down, rows = uneven(seed)
    function = {"silu": F.silu, "gelu": F.gelu, "relu": torch.relu}[after]
    units = function(F.linear(rows, up.weight, up.bias))
    exact = F.linear(units, down.weight, down.bias)
    fit = fit_mlp(up, after, down, rows)
    plain = HiddenScale.reaching(float(units.max()), after)
    given_rows = byte_mlp(up, after, down, fit.scales.divisor, plain)(rows, torch.zeros_like(exact))
    assert fit.error <= error(given_rows, exact) * (1 + 1e-4)
    assert fit.scales.hidden is not None


def test_channels_that_are_loud_are_evened_out() -> None:
    up, _, rows = uneven(0)
    rows[:, 7] *= 200
    up = Affine(up.weight.clone(), up.bias)
    up.weight[:, 7] /= 200
    plain = torch.full((24,), float(rows.abs().max()) / 127)
    exact = F.linear(rows, up.weight, up.bias)
    fit = fit_linear(up, rows)
    assert fit.error < error(byte_linear(up, plain, "none", torch.float32)(rows), exact) / 2


@pytest.mark.parametrize("after", ["silu", "gelu", "relu"])
def test_inputs_and_units_that_are_all_nought_still_get_scales(after: str) -> None:
    up, down, rows = uneven(0)
    silent = Affine(up.weight, torch.full((40,), -20.0))  # no hidden unit is above nought
    fit = fit_mlp(silent, after, down, torch.zeros_like(rows))
    assert fit.error < 0.05
    assert fit.scales.divisor.isfinite().all()
    assert (fit.scales.divisor > 0).all()
    assert 0 <= fit.scales.hidden.zero <= 255


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_every_watched_site_is_fitted_and_the_form_stays_near(method: str) -> None:
    encoder = small_encoder(method).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (12, 48, 16, 3), dtype=torch.uint8, generator=random)
    ids = captions(5, 9, 20, 77, 12)
    scales, errors = calibrate(encoder, pixels)
    assert errors.keys() == {"visual.0.qkv", "visual.1.key_value", "visual.0.mlp", "visual.1.mlp"}
    assert scales.keys() == {site for site, one in errors.items() if one <= calibration.MOST_ERROR}
    assert all((one.hidden is not None) == site.endswith(".mlp") for site, one in scales.items())
    cpu = torch.device("cpu")
    exact = build_form(encoder, "float32", cpu)
    rough = build_form(encoder, "int8", cpu, scales)
    given_rows, exact_rows = rough.encode_image(pixels), exact.encode_image(pixels)
    assert (
        F.cosine_similarity(given_rows, exact_rows).min() > 0.97
    )  # small products are rougher than real ones
    assert not torch.equal(given_rows, exact_rows)
    floats: Precision = "bfloat16" if quick_bfloat16() else "float32"  # captions never go in bytes
    assert torch.equal(rough.encode_text(ids), build_form(encoder, floats, cpu).encode_text(ids))


def test_a_site_that_errs_too_much_is_left_in_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST_ERROR", 1e-9)
    encoder = small_encoder().eval()
    scales, errors = calibrate(encoder, torch.zeros(1, 48, 16, 3, dtype=torch.uint8))
    assert scales == {}
    assert errors


def test_the_sample_stays_small_however_many_pictures_come() -> None:
    seen = calibration._Seen(lambda rows: None)
    for _ in range(100):
        seen.note(torch.zeros(8, 200, 4))
    assert calibration.ROWS <= seen.count < calibration.ROWS + 2 * calibration.ROWS_A_CALL
