"""CLIP's parameters under OpenAI's names, as modules that model.towers runs.

They are open_clip's in names, order and shapes, and their initial values are drawn as there and in the same
order, so that a seed gives the same network. Not open_clip's own, since importing that brings torchvision and
torch's compiler: two seconds and 150 MB for a command that only encodes.
"""

import torch
from torch import nn

from model.config import BackboneConfig, TextConfig, VisionConfig


def drawn(*shape: int, std: float) -> nn.Parameter:
    """A parameter of `shape` with normally distributed values around zero."""
    return nn.Parameter(nn.init.normal_(torch.empty(shape), std=std))


class QuickGelu(nn.Module):
    """x * sigmoid(1.702 x), step by step; model.blocks knows a quicker way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        return x * torch.sigmoid(1.702 * x)


class LayerNorm(nn.LayerNorm):
    """Answers in the type that it was given; torch's own gives float32 under autocast."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., width) -> the same shape."""
        return super().forward(x).to(x.dtype)


class ClipBlock(nn.Module):
    """A pre-norm residual block's parts; the MLP is a sequence, for those who run it as it is."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, mlp_width))
        self.mlp.add_module("gelu", activation())
        self.mlp.add_module("c_proj", nn.Linear(mlp_width, width))


class ClipTransformer(nn.Module):
    """The blocks of one tower, with torch's initial values."""

    def __init__(self, config: VisionConfig | TextConfig, activation: type[nn.Module]) -> None:
        super().__init__()
        width, mlp_width = config.width, int(config.width * config.mlp_ratio)
        self.resblocks = nn.ModuleList(
            ClipBlock(width, config.heads, mlp_width, activation) for _ in range(config.layers)
        )


class ClipVision(nn.Module):
    """The vision tower's parts, for square patches side by side."""

    def __init__(self, config: VisionConfig, embed_dim: int, activation: type[nn.Module]) -> None:
        super().__init__()
        width, patch, scale = config.width, config.patch_size, config.width**-0.5
        height, length = config.image_size
        self.conv1: nn.Module = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = drawn(width, std=scale)
        positions = 1 + (height // patch) * (length // patch)
        self.positional_embedding = drawn(positions, width, std=scale)
        self.ln_pre = LayerNorm(width)
        self.transformer = ClipTransformer(config, activation)
        self.ln_post = LayerNorm(width)
        self.proj = drawn(width, embed_dim, std=scale)


class Clip(nn.Module):
    """Both towers' parts: the vision tower's under `visual`, the text tower's beside it."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        text, activation = config.text, QuickGelu if config.quick_gelu else nn.GELU
        self.visual = ClipVision(config.vision, config.embed_dim, activation)
        words = nn.Embedding(text.vocabulary_size, text.width)
        self.transformer = ClipTransformer(text, activation)
        self.token_embedding = words
        self.positional_embedding = nn.Parameter(torch.empty(text.context_length, text.width))
        self.ln_final = LayerNorm(text.width)
        self.text_projection = nn.Parameter(torch.empty(text.width, config.embed_dim))
        self._draw_text(text)

    def _draw_text(self, text: TextConfig) -> None:
        """OpenAI's initial values; for the vision tower's blocks they gave none, so torch's stay there."""
        width, depth = text.width**-0.5, (2 * text.layers) ** -0.5
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        for block in self.transformer.resblocks:
            nn.init.normal_(block.get_parameter("attn.in_proj_weight"), std=width)
            nn.init.normal_(block.get_parameter("attn.out_proj.weight"), std=width * depth)
            nn.init.normal_(block.get_parameter("mlp.c_fc.weight"), std=(2 * text.width) ** -0.5)
            nn.init.normal_(block.get_parameter("mlp.c_proj.weight"), std=width * depth)
        nn.init.normal_(self.text_projection, std=width)
