"""The inference form: batches in slices, captions sorted by length, answers in the order of the questions."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_encoders import random_bytes, relative
from small_encoder import ADAPTERS, captions, small_encoder

from model.errors import ConfigError
from model.inference.form import InferenceForm, build_form
from model.inference.precision import choose_precision, precisions_of, products_for

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=list(ADAPTERS))
def form(request: pytest.FixtureRequest) -> InferenceForm:
    return build_form(small_encoder(request.param).eval(), "float32", CPU)


@pytest.fixture(scope="module")
def plain() -> InferenceForm:
    return build_form(small_encoder().eval(), "float32", CPU)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(2, 77), max_size=40), st.integers(1, 400))
def test_slices_are_a_partition_in_ascending_length_within_the_budget(
    plain: InferenceForm, lengths: list[int], budget: int
) -> None:
    ends = torch.tensor(lengths, dtype=torch.long)
    order = ends.argsort(stable=True)
    before, plain._tokens = plain._tokens, budget
    try:
        parts = [part.tolist() for part in plain._alike(ends[order], order)]
    finally:
        plain._tokens = before
    assert [row for part in parts for row in part] == order.tolist()
    assert all(part for part in parts)
    for part in parts:
        assert len(part) == 1 or len(part) * max(lengths[row] for row in part) <= budget
    for part, following in pairwise(parts):  # no slice is smaller than it need be
        assert (len(part) + 1) * lengths[following[0]] > budget


def test_captions_come_back_in_their_order(form: InferenceForm, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = captions(30, 3, 77, 12, 3, 50, 2)
    expected = torch.cat([form.encode_text(row[None]) for row in ids])
    for budget in (1, 60, 1600):
        monkeypatch.setattr(form, "_tokens", budget)
        for order in (range(7), (6, 5, 4, 3, 2, 1, 0), (3, 0, 6, 1, 5, 2, 4)):
            rows = torch.tensor(order)
            assert relative(form.encode_text(ids[rows]), expected[rows]) <= 1e-5


def test_pictures_in_slices_of_any_size(form: InferenceForm, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = random_bytes(small_encoder().config, 7, 0)
    expected = torch.cat([form.encode_image(row[None]) for row in pixels])
    for images in (1, 2, 3, 7, 100):
        monkeypatch.setattr(form, "_images", images)
        assert relative(form.encode_image(pixels), expected) <= 1e-5
        assert relative(form.encode_image(pixels.flip(0)).flip(0), expected) <= 1e-5


def test_nothing_gives_nothing(form: InferenceForm) -> None:
    for features in (
        form.encode_image(torch.empty(0, 48, 16, 3, dtype=torch.uint8)),
        form.encode_text(torch.empty(0, 77, dtype=torch.long)),
    ):
        assert features.shape == (0, 32)
        assert features.dtype == torch.float32


def test_inputs_are_left_as_they_are(form: InferenceForm) -> None:
    pixels, ids = random_bytes(small_encoder().config, 3, 0), captions(5, 77, 9)
    before = pixels.clone(), ids.clone()
    form.encode_image(pixels)
    form.encode_text(ids)
    assert torch.equal(pixels, before[0])
    assert torch.equal(ids, before[1])


def test_the_quickest_proven_precision_is_chosen_and_float32_needs_no_proof() -> None:
    has = precisions_of(CPU)
    assert has[-1] == "float32"
    assert "float16" not in has
    assert choose_precision("auto", CPU, ()) == "float32"
    assert choose_precision("auto", CPU, has) == has[0]
    assert choose_precision("float32", CPU, has) == "float32"
    assert choose_precision("auto", torch.device("cuda"), ("bfloat16", "int8")) == "bfloat16"
    assert choose_precision("auto", torch.device("cuda"), ()) == "float32"


@pytest.mark.parametrize("wanted", ["float16", "int4", "FLOAT16"])
def test_a_precision_that_a_processor_has_not_is_refused_with_those_it_has(wanted: str) -> None:
    with pytest.raises(ConfigError, match=r"use auto, .*float32"):
        choose_precision(wanted, CPU, ())


@pytest.mark.skipif("int8" not in precisions_of(CPU), reason="this processor multiplies no bytes")
def test_int8_needs_an_export() -> None:
    with pytest.raises(ConfigError, match="cskt export --precision int8"):
        choose_precision("int8", CPU, ("bfloat16",))
    with pytest.raises(ValueError, match="scales"):
        products_for("int8", CPU)
