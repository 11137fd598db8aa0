"""Bytes to patches: the first layer's answers are those of the normalised picture."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from random_encoders import normalised, random_bytes, random_encoder, relative, vision_configs
from small_encoder import small_config
from torch import nn

from model.adapters.full import FullConfig
from model.config import TextConfig, VisionConfig
from model.inference.patches import CENTRE, FoldedStem, Patches, fold_patches

seeds = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 12), st.integers(0, 9), seeds)
def test_cut_patches_are_those_of_unfold(size: int, stride: int, taller: int, wider: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    shape = (2, size + taller, size + wider, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
    given_patches = Patches(torch.empty(0), size, stride).cut(pixels)
    columns = nn.Unfold(size, stride=stride)(pixels.permute(0, 3, 1, 2).float())  # channel, row, column
    expected = columns.mT.unflatten(2, (3, size, size)).permute(0, 1, 3, 4, 2).flatten(2)
    assert given_patches.dtype == torch.uint8
    assert torch.equal(given_patches.float(), expected)


@settings(max_examples=20, deadline=None)
@given(vision_configs(), seeds)
def test_the_first_layer_on_bytes_is_the_one_on_normalised_pixels(vision: VisionConfig, seed: int) -> None:
    small, text = small_config(FullConfig()), TextConfig(width=4, heads=1, layers=1, vocabulary_size=9)
    backbone = small.backbone.model_copy(update={"vision": vision, "text": text})
    config = small.model_copy(update={"backbone": backbone})
    pixels = random_bytes(config, 3, seed)
    first_layer = random_encoder(config, seed).visual.conv1
    exact = normalised(config, pixels).double()
    expected = first_layer.double()(exact).flatten(2).mT
    folded, bias = fold_patches(first_layer.float(), config.mean, config.std)
    if isinstance(folded, FoldedStem):
        given_rows = folded.to(torch.device("cpu"), torch.float32).grid(pixels, torch.float32)
    else:
        given_rows = F.linear(folded.cut(pixels).float() - CENTRE, folded.weight)
    assert expected.shape[1] == vision.grid[0] * vision.grid[1]
    assert relative((given_rows + bias).flatten(1), expected.flatten(1)) <= 1e-5


def test_every_byte_less_the_centre_is_exact_in_every_float_type() -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert torch.equal((bytes_.to(dtype) - CENTRE).long(), torch.arange(-128, 128))


@pytest.mark.parametrize("stem", [(), (8,), (8, 12, 6)])
def test_a_picture_of_the_mean_colour_is_nought_everywhere(stem: tuple[int, ...]) -> None:
    """Also at a stem's borders, where the padding stands for the mean."""
    mean = (51 / 255, 102 / 255, 204 / 255)
    config = small_config(FullConfig(), stem, 2 ** (len(stem) + 1) if stem else 8)
    config = config.model_copy(update={"mean": mean})
    first_layer = random_encoder(config, 0).visual.conv1
    pixels = torch.tensor([51, 102, 204], dtype=torch.uint8).expand(1, 48, 16, 3)
    folded, bias = fold_patches(first_layer, config.mean, config.std)
    nothing = first_layer(torch.zeros(1, 3, 48, 16)).flatten(2).mT
    if isinstance(folded, FoldedStem):
        given_rows = folded.grid(pixels, torch.float32)
    else:
        given_rows = F.linear(folded.cut(pixels).float() - CENTRE, folded.weight) + bias
    torch.testing.assert_close(given_rows.float(), nothing, rtol=1e-5, atol=2e-6)


def test_a_stem_is_copied_and_loses_its_batch_norms() -> None:
    first_layer = random_encoder(small_config(FullConfig(), (8, 12), 8), 0).visual.conv1
    before = {name: tensor.clone() for name, tensor in first_layer.state_dict().items()}
    folded, _ = fold_patches(first_layer, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert isinstance(folded, FoldedStem)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.stages.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in first_layer.state_dict().items())
