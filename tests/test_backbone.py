"""Architectures by open_clip's names, built at any size, and weights by tag."""

import huggingface_hub
import pytest
import torch
from open_clip_twin import open_clip
from small_encoder import ADAPTERS, small_config

from model import backbone
from model.backbone import (
    backbone_config,
    build_clip,
    fetch_pretrained,
    require_cached_or_reachable,
)
from model.config import VisionConfig
from model.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("name", "width", "layers", "heads", "grid"),
    [
        ("ViT-B-16-quickgelu", 768, 12, 12, (24, 8)),
        ("ViT-B-32", 768, 12, 12, (12, 4)),
        ("ViT-L-14", 1024, 24, 16, (27, 9)),
        ("ViT-H-14", 1280, 32, 16, (27, 9)),
    ],
)
def test_known_architectures(name, width, layers, heads, grid):
    config = backbone_config(name, (384, 128))
    assert (config.vision.width, config.vision.layers, config.vision.heads) == (width, layers, heads)
    assert config.vision.grid == grid
    assert config.quick_gelu == name.endswith("quickgelu")


def test_overlapping_patches():
    assert backbone_config("ViT-B-16", (384, 128), stride=8).vision.grid == (47, 15)


@pytest.mark.parametrize(
    ("name", "said"),
    [("ViT-B-17", "knows no model"), ("RN50", "not a plain CLIP"), ("ViT-B-16-SigLIP", "not a plain CLIP")],
)
def test_other_architectures_are_refused(name, said):
    with pytest.raises(ConfigError, match=said):
        backbone_config(name, (384, 128))


def test_every_named_architecture_is_described_or_refused():
    described = 0
    for name in open_clip.list_models():
        try:
            backbone_config(name, (384, 128))
            described += 1
        except ConfigError:
            assert not name.startswith(("ViT-B-16-quick", "ViT-L-14-quick"))
    assert described > 20


@pytest.mark.parametrize(("stem_widths", "stride"), [((), 8), ((), 4), ((8, 16), 8)])
def test_the_position_table_fits_the_patches(stem_widths, stride):
    config = small_config(ADAPTERS["full"], stem_widths, stride).backbone
    clip = build_clip(config)
    rows, columns = clip.visual.conv1(torch.zeros(1, 3, 48, 16)).shape[2:]
    assert (rows, columns) == config.vision.grid
    assert clip.visual.positional_embedding.shape == (1 + rows * columns, 64)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads": 5}, "not divisible by 5 heads"),
        ({"stem_widths": (8,)}, "reduces 4-fold"),
        ({"image_size": (50, 16), "stem_widths": (8, 16)}, "divide the image size"),
        ({"image_size": (4, 16)}, "smaller than one patch"),
    ],
)
def test_impossible_towers_are_refused(changes, said):
    sizes = {"image_size": (48, 16), "patch_size": 8, "stride": 8, "width": 64, "layers": 2, "heads": 1}
    with pytest.raises(ValueError, match=said):
        VisionConfig(**(sizes | changes))


def test_an_unknown_tag_names_the_known_ones():
    with pytest.raises(CheckpointError, match="openai, "):
        fetch_pretrained("ViT-B-16", "nowhere")


def test_without_a_network_it_says_what_to_put_where(monkeypatch):
    def offline(name, pretrained):
        raise OSError("cannot reach the hub\nlong story")

    monkeypatch.setattr(backbone, "require_cached_or_reachable", lambda repository: None)
    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(
        CheckpointError, match=r"cannot reach the hub.*download.*openclip:ViT-B-16/FILE"
    ) as caught:
        fetch_pretrained("ViT-B-16", "openai")
    assert "\n" not in str(caught.value)
    assert "long story" not in str(caught.value)


def test_fetched_weights_tell_their_activation(monkeypatch):
    def fetched(name, pretrained):
        return open_clip.CLIP(
            32,
            {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1, "head_width": 64},
            {"width": 64, "heads": 1, "layers": 1},
            quick_gelu=True,
        )

    monkeypatch.setattr(backbone, "require_cached_or_reachable", lambda repository: None)
    monkeypatch.setattr(open_clip, "create_model", fetched)
    clip = fetch_pretrained("ViT-B-16", "openai")
    assert clip.quick_gelu
    assert clip.tensors["visual.positional_embedding"].shape == (5, 64)
    assert len(clip.mean) == len(clip.std) == 3


def test_an_unreachable_hub_is_told_at_once_unless_the_weights_are_cached(tmp_path, monkeypatch):
    class Session:
        def head(self, address, timeout):
            raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    with pytest.raises(OSError, match="cannot be reached"):
        require_cached_or_reachable("nobody/nothing")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, name: str(tmp_path))
    require_cached_or_reachable("nobody/nothing")
