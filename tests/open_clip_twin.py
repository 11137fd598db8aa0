"""open_clip's own CLIP of a configuration: the yardstick of model.clip and of the towers."""

import torch
from torch import nn

from model.config import BackboneConfig
from model.stem import ConvolutionalStem
from model.torchvision_shim import ensure_torchvision_imports

ensure_torchvision_imports()

import open_clip  # noqa: E402  (the shim must come first)


def twin(config: BackboneConfig) -> open_clip.CLIP:
    """Freshly initialised, the configured patch embedding and position grid put in afterwards."""
    vision, text = config.vision, config.text
    clip = open_clip.CLIP(
        embed_dim=config.embed_dim,
        vision_cfg={
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "width": vision.width,
            "layers": vision.layers,
            "head_width": vision.width // vision.heads,
            "mlp_ratio": vision.mlp_ratio,
        },
        text_cfg={
            "context_length": text.context_length,
            "vocab_size": text.vocabulary_size,
            "width": text.width,
            "layers": text.layers,
            "heads": text.heads,
            "mlp_ratio": text.mlp_ratio,
        },
        quick_gelu=config.quick_gelu,
    )
    clip.visual.conv1 = (
        ConvolutionalStem(vision.stem_widths, vision.width)
        if vision.stem_widths
        else nn.Conv2d(3, vision.width, vision.patch_size, vision.stride, bias=False)
    )
    tokens = 1 + vision.grid[0] * vision.grid[1]
    table = vision.width**-0.5 * torch.randn(tokens, vision.width)
    clip.visual.positional_embedding = nn.Parameter(table)
    return clip
