"""Our modules beside open_clip's: the same parameters, the same initial values, the same numbers out."""

import pytest
import torch
from open_clip_twin import open_clip, twin

from model.backbone import build_clip
from model.clip import ClipBlock, LayerNorm, QuickGelu
from model.config import BackboneConfig, TextConfig, VisionConfig

CONFIGS = {
    "small": BackboneConfig(
        name="small",
        embed_dim=32,
        vision=VisionConfig(image_size=(48, 16), patch_size=8, stride=8, width=64, layers=2, heads=1),
        text=TextConfig(width=64, heads=1, layers=3),
    ),
    "uneven": BackboneConfig(
        name="uneven",
        embed_dim=24,
        quick_gelu=False,
        vision=VisionConfig(
            image_size=(50, 21), patch_size=8, stride=6, width=96, layers=1, heads=3, mlp_ratio=2.5
        ),
        text=TextConfig(context_length=40, width=80, heads=4, layers=2, mlp_ratio=3),
    ),
    "stem": BackboneConfig(
        name="stem",
        embed_dim=32,
        vision=VisionConfig(
            image_size=(48, 16), patch_size=8, stride=8, width=64, layers=1, heads=2, stem_widths=(8, 16)
        ),
        text=TextConfig(width=48, heads=2, layers=1),
    ),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def theirs(clip):
    return [(name, value) for name, value in clip.named_parameters() if name != "logit_scale"]


@every_config
def test_a_seed_gives_open_clips_parameters_in_its_order(config):
    torch.manual_seed(3)
    expected, after = theirs(twin(config)), torch.rand(4)
    torch.manual_seed(3)
    ours, ours_after = list(build_clip(config).named_parameters()), torch.rand(4)
    assert [name for name, _ in ours] == [name for name, _ in expected]
    assert [value.shape for _, value in ours] == [value.shape for _, value in expected]
    different = [
        name for (name, value), (_, own) in zip(expected, ours, strict=True) if not torch.equal(value, own)
    ]
    assert different == []
    assert torch.equal(ours_after, after)


@every_config
def test_the_state_is_open_clips_without_the_temperature(config):
    clip, state = build_clip(config), twin(config).state_dict()
    del state["logit_scale"]
    clip.load_state_dict(state, strict=True)
    assert list(clip.state_dict()) == list(state)


@pytest.mark.parametrize("quick", [True, False])
def test_a_block_is_open_clips_step_by_step(quick):
    torch.manual_seed(0)
    activation = (open_clip.transformer.QuickGELU, QuickGelu) if quick else (torch.nn.GELU, torch.nn.GELU)
    block = open_clip.transformer.ResidualAttentionBlock(48, 3, 2.0, act_layer=activation[0])
    ours = ClipBlock(48, 3, 96, activation[1])
    ours.load_state_dict(block.state_dict())
    x = torch.randn(2, 7, 48)
    z = ours.ln_1(x)
    after = x + ours.attn(z, z, z, need_weights=False)[0]
    torch.testing.assert_close(after + ours.mlp(ours.ln_2(after)), block(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
def test_norms_answer_in_the_type_they_were_given(given):
    x = torch.randn(3, 16).to(given)
    norm, ours = open_clip.transformer.LayerNorm(16), LayerNorm(16)
    with torch.autocast("cpu", torch.bfloat16):
        expected, answer = norm(x), ours(x)
    assert answer.dtype == expected.dtype == given
    assert torch.equal(answer, expected)
