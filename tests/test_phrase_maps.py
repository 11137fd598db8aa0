"""Projected patch tokens against the training form's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_encoders import encoder_configs, normalised, random_bytes, random_encoder, relative
from small_encoder import ADAPTERS, small_config, small_encoder

from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.inference.form import build_form

CPU = torch.device("cpu")


def training_tokens(encoder: PersonEncoder, pixels: torch.Tensor) -> torch.Tensor:
    rows, columns = encoder.config.backbone.vision.grid
    with torch.no_grad():
        stream, _ = encoder.visual(normalised(encoder.config, pixels), encoder.adapter.vision_tower())
        return encoder.visual.project(stream[:, : 1 + rows * columns])


@settings(max_examples=30, deadline=None)
@given(encoder_configs(), st.integers(0, 2**31))
def test_it(config: EncoderConfig, seed: int) -> None:
    encoder = random_encoder(config, seed)
    pixels = random_bytes(config, 3, seed)
    form = build_form(encoder, "float32", CPU)
    given, expected = form.image_tokens(pixels), training_tokens(encoder, pixels)
    assert given.shape == expected.shape
    assert relative(given, expected) <= 1e-4
    print(relative(given, expected))
