"""CLIP's two towers, run block by block so that an adapter can reach into them.

The modules are open_clip's, under OpenAI's names; of a block only ln_1, attention, ls_1, ln_2, mlp and ls_2
are touched.
"""

from typing import Any, Protocol

import torch
from torch import nn

from model.adapters.adapter import TowerAdapter


class ClipVision(Protocol):
    """What the vision tower takes over from an open_clip vision transformer."""

    conv1: nn.Module
    class_embedding: nn.Parameter
    positional_embedding: nn.Parameter
    ln_pre: nn.Module
    transformer: nn.Module
    ln_post: nn.Module
    proj: nn.Parameter


class Clip(Protocol):
    """What the two towers take over from an open_clip CLIP."""

    visual: ClipVision
    positional_embedding: nn.Parameter
    text_projection: nn.Parameter
    token_embedding: nn.Module
    transformer: nn.Module
    ln_final: nn.Module


class VisionTower(nn.Module):
    """Pixels (batch, 3, height, width) -> tokens (batch, 1 + patches [+ prompts], width), class token
    first."""

    def __init__(self, visual: ClipVision) -> None:
        super().__init__()
        self.conv1 = visual.conv1
        self.class_embedding = visual.class_embedding
        self.positional_embedding = visual.positional_embedding
        self.ln_pre = visual.ln_pre
        self.transformer = visual.transformer
        self.ln_post = visual.ln_post
        self.proj = visual.proj

    def forward(self, pixels: torch.Tensor, adapter: TowerAdapter) -> torch.Tensor:
        """The residual stream behind the last block."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positional_embedding
        return run_blocks(self.transformer, self.ln_pre(adapter.extend(x)), None, adapter)

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (..., width) of the last block -> the shared space (..., embed_dim)."""
        return self.ln_post(tokens) @ self.proj  # type: ignore[no-any-return]


class TextTower(nn.Module):
    """Token ids (batch, tokens <= context) -> tokens (batch, tokens, width), each seeing itself and those
    before it."""

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.positional_embedding = clip.positional_embedding
        self.text_projection = clip.text_projection
        self.token_embedding = clip.token_embedding
        self.transformer = clip.transformer
        self.ln_final = clip.ln_final

    def forward(self, ids: torch.Tensor, adapter: TowerAdapter) -> torch.Tensor:
        """The residual stream behind the last block."""
        length = ids.shape[1]
        x = adapter.extend(self.token_embedding(ids)) + self.positional_embedding[:length]
        hidden = torch.full((length, length), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        return run_blocks(self.transformer, x, hidden, adapter)

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (..., width) of the last block -> the shared space (..., embed_dim)."""
        return self.ln_final(tokens) @ self.text_projection  # type: ignore[no-any-return]


def run_blocks(
    transformer: nn.Module, x: torch.Tensor, mask: torch.Tensor | None, adapter: TowerAdapter
) -> torch.Tensor:
    """Pre-norm residual blocks with the adapter's seams; `mask` (tokens, tokens) is added to the attention
    logits."""
    blocks: Any = transformer.resblocks
    for index, block in enumerate(blocks):
        x = adapter.before_block(index, x)
        x = x + block.ls_1(block.attention(block.ln_1(x), attn_mask=mask))
        beside = adapter.beside_mlp(index, x)
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
        if beside is not None:
            x = x + beside
    return x
