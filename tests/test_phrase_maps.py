"""Every projected token against the training form's, and maps against their formula done place by place."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_encoders import encoder_configs, normalised, random_bytes, random_encoder, relative
from small_encoder import ADAPTERS, small_config, small_encoder

from model.adapters.cskt import CsktConfig
from model.config import EncoderConfig
from model.embedder import Embedder
from model.encoder import PersonEncoder
from model.inference.calibration import calibrate
from model.inference.form import build_form
from model.inference.precision import precisions_of
from model.phrase_maps import NEUTRAL, comparable, covered

CPU = torch.device("cpu")
BOUND = 1e-4
PHRASES = ["a red coat", "blue jeans", "a hat"]


def training_tokens(encoder: PersonEncoder, pixels: torch.Tensor) -> torch.Tensor:
    rows, columns = encoder.config.backbone.vision.grid
    with torch.no_grad():
        stream, _ = encoder.visual(normalised(encoder.config, pixels), encoder.adapter.vision_tower())
        return encoder.visual.project(stream[:, : 1 + rows * columns])


@settings(max_examples=30, deadline=None)
@given(encoder_configs(("full", "cskt")), st.integers(0, 2**31))
def test_tokens_of_any_network_are_the_training_forms(config: EncoderConfig, seed: int) -> None:
    """Not of DM-Adapter, whose choice of experts may hang by rounding in some of so many tokens."""
    encoder, pixels = random_encoder(config, seed), random_bytes(config, 3, seed)
    tokens, expected = (
        build_form(encoder, "float32", CPU).image_tokens(pixels),
        training_tokens(encoder, pixels),
    )
    assert tokens.shape == expected.shape
    assert relative(tokens, expected) <= BOUND


@pytest.mark.parametrize("method", list(ADAPTERS))
def test_tokens_with_every_method_in_slices_of_any_size(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = small_encoder(method).eval()
    pixels, form = random_bytes(encoder.config, 5, 0), build_form(encoder, "float32", CPU)
    expected = training_tokens(encoder, pixels)
    assert form.grid == (6, 2)
    for images in (1, 2, 100):
        monkeypatch.setattr(form, "_images", images)
        tokens = form.image_tokens(pixels)
        assert tokens.dtype == torch.float32
        assert relative(tokens, expected) <= BOUND
    assert relative(tokens[:, 0], form.encode_image(pixels)) <= BOUND
    assert form.image_tokens(pixels[:0]).shape == (0, 13, 32)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_prompts_that_stay_to_the_end_are_left_out(depth: int) -> None:
    encoder = random_encoder(small_config(CsktConfig(prompts=2, depth=depth)), depth)
    pixels = random_bytes(encoder.config, 2, 0)
    tokens = build_form(encoder, "float32", CPU).image_tokens(pixels)
    assert tokens.shape == (2, 13, 32)
    assert relative(tokens, training_tokens(encoder, pixels)) <= BOUND


def test_behind_a_stem_there_are_as_many_tokens_as_its_grid_has_places() -> None:
    encoder = random_encoder(small_config(ADAPTERS["dm_adapter"], stem_widths=(4, 6)), 0)
    pixels = random_bytes(encoder.config, 2, 0)
    tokens = build_form(encoder, "float32", CPU).image_tokens(pixels)
    assert tokens.shape == (2, 1 + 6 * 2, 32)
    assert relative(tokens, training_tokens(encoder, pixels)) <= BOUND


@pytest.mark.parametrize("precision", precisions_of(CPU))
@pytest.mark.parametrize("method", ["full", "cskt"])
def test_tokens_in_other_precisions_are_near(precision: str, method: str) -> None:
    encoder = small_encoder(method).eval()
    pixels = random_bytes(encoder.config, 6, 0)
    form = build_form(encoder, precision, CPU, calibrate(encoder, pixels)[0])
    tokens, expected = form.image_tokens(pixels), training_tokens(encoder, pixels)
    assert tokens.dtype == torch.float32
    assert torch.cosine_similarity(tokens, expected, dim=-1).min() > 0.99
    assert relative(tokens[:, 0], form.encode_image(pixels)) <= 0.02


def test_each_map_is_less_what_all_have_in_common_and_stretched() -> None:
    evidence = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    evidence[1] = evidence.sum(axis=0)
    maps = comparable(evidence)
    assert maps.shape == (3, 5, 3)
    for phrase in range(3):
        own = [
            [evidence[phrase, r, c] - sum(evidence[:, r, c]) / 4 for c in range(3)] for r in range(5)
        ]  # fmt: skip
        least, most = min(map(min, own)), max(map(max, own))
        expected = [[(value - least) / (most - least) for value in row] for row in own]
        np.testing.assert_allclose(maps[phrase], expected, atol=1e-5)


def test_evidence_that_is_the_same_everywhere_is_nothing() -> None:
    assert not comparable(np.full((2, 4, 2), 0.3, np.float32)).any()
    assert comparable(np.zeros((1, 4, 2), np.float32)).shape == (0, 4, 2)


def test_covers_lie_over_their_places_and_are_cut_at_the_border() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (80, 32, 3), dtype=np.uint8)
    copies = covered(picture)
    assert copies.shape == (80, 80, 32, 3)  # half as large again as their places, then two and a half times
    colour = picture.mean(axis=(0, 1)).round()
    for place, (top, bottom, left, right) in {
        0: (0, 10, 0, 10),
        22: (38, 50, 14, 26),
        39: (70, 80, 22, 32),
        40: (0, 14, 0, 14),
        62: (34, 54, 10, 30),
    }.items():
        inside = np.zeros((80, 32), bool)
        inside[top:bottom, left:right] = True
        assert (copies[place][inside] == colour).all()
        np.testing.assert_array_equal(copies[place][~inside], picture[~inside])


@pytest.fixture(scope="module", params=list(ADAPTERS))
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return Embedder(small_encoder(request.param).eval(), "small", "", CPU)


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (48, 16, 3), dtype=np.uint8)


def test_phrase_maps_are_cosines_of_tokens(embedder: Embedder, picture: NDArray[np.uint8]) -> None:
    tokens = embedder._form.image_tokens(torch.from_numpy(picture[None]))[0].numpy()
    texts = embedder.embed_texts([*PHRASES, NEUTRAL])
    cosines = [
        [
            [float(text @ tokens[1 + 2 * r + c]) / np.linalg.norm(tokens[1 + 2 * r + c]) for c in range(2)]
            for r in range(6)
        ]
        for text in texts
    ]
    maps = embedder.phrase_maps(picture, PHRASES)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, comparable(-np.array(cosines, np.float32)), atol=1e-3)
    np.testing.assert_array_equal(embedder.phrase_maps(torch.from_numpy(picture), PHRASES), maps)


def test_covered_maps_are_what_a_cosine_loses(embedder: Embedder, picture: NDArray[np.uint8]) -> None:
    texts = embedder.embed_texts([*PHRASES, NEUTRAL])
    whole = embedder.embed_images([picture])[0]
    lost = [
        [texts[n] @ whole - texts[n] @ embedder.embed_images([copy])[0] for copy in covered(picture)]
        for n in range(4)
    ]
    maps = embedder.covered_maps(picture, PHRASES)
    assert maps.shape == (3, 10, 4)
    assert (maps.min(), maps.max()) == (0, 1)
    small, large = np.array(lost, np.float32).reshape(4, 2, 40).transpose(1, 0, 2)
    expected = comparable(((small + large) / 2).reshape(4, 10, 4))
    np.testing.assert_allclose(maps, expected, atol=1e-2)


def test_no_phrases_have_no_maps(embedder: Embedder, picture: NDArray[np.uint8]) -> None:
    assert embedder.phrase_maps(picture, []).shape == (0, 6, 2)
    assert embedder.covered_maps(picture, []).shape == (0, 10, 4)


@pytest.mark.parametrize(
    "wrong", [np.zeros((48, 17, 3), np.uint8), np.zeros((48, 16, 3)), np.zeros((48, 16), np.uint8)]
)
def test_a_picture_that_is_not_resized_is_refused(embedder: Embedder, wrong: NDArray[np.uint8]) -> None:
    for maps in (embedder.phrase_maps, embedder.covered_maps):
        with pytest.raises(ValueError, match=r"uint8 \(48, 16, 3\)"):
            maps(wrong, PHRASES)
