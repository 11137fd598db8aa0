"""CLIP's two towers, run block by block so that an adapter can reach into them.

The modules are model.clip's, under OpenAI's names; model.blocks runs them.
"""

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from model.adapters.adapter import RouterLoad, TowerAdapter
from model.adapters.one_token import OneTokenTower, pick
from model.blocks import Block, attention, mlp_added
from model.clip import Clip, ClipVision

Stream = tuple[torch.Tensor, list[RouterLoad]]
"""The residual stream behind the last block (batch, tokens, width), and the load of every router."""


class VisionTower(nn.Module):
    """Pixels (batch, 3, height, width) -> tokens (batch, 1 + patches [+ prompts], width), class token first.

    `recompute` trades time for memory: the backward pass runs each block again instead of keeping what it
    computed.
    """

    recompute = False

    def __init__(self, visual: ClipVision) -> None:
        super().__init__()
        self.conv1 = visual.conv1
        self.class_embedding = visual.class_embedding
        self.positional_embedding = visual.positional_embedding
        self.ln_pre = visual.ln_pre
        self.transformer = visual.transformer
        self.ln_post = visual.ln_post
        self.proj = visual.proj

    def forward(
        self, pixels: torch.Tensor, adapter: TowerAdapter, token: torch.Tensor | None = None
    ) -> Stream:
        """The residual stream behind the last block, and the routers' loads; `token` as in `run_blocks`."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positional_embedding
        return run_blocks(
            self.transformer, self.ln_pre(adapter.extend(x)), False, adapter, self.recompute, token
        )

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (..., width) of the last block -> the shared space (..., embed_dim)."""
        return self.ln_post(tokens) @ self.proj  # type: ignore[no-any-return]


class TextTower(nn.Module):
    """Token ids (batch, tokens <= context) -> tokens (batch, tokens, width), each seeing itself and those
    before it.

    `recompute` as in the vision tower.
    """

    recompute = False

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.positional_embedding = clip.positional_embedding
        self.text_projection = clip.text_projection
        self.token_embedding = clip.token_embedding
        self.transformer = clip.transformer
        self.ln_final = clip.ln_final

    def forward(self, ids: torch.Tensor, adapter: TowerAdapter, token: torch.Tensor | None = None) -> Stream:
        """The residual stream behind the last block, and the routers' loads; `token` as in `run_blocks`."""
        x = adapter.extend(self.token_embedding(ids)) + self.positional_embedding[: ids.shape[1]]
        return run_blocks(self.transformer, x, True, adapter, self.recompute, token)

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (..., width) of the last block -> the shared space (..., embed_dim)."""
        return self.ln_final(tokens) @ self.text_projection  # type: ignore[no-any-return]


def run_blocks(
    transformer: nn.Module,
    x: torch.Tensor,
    causal: bool,
    adapter: TowerAdapter,
    recompute: bool = False,
    token: torch.Tensor | None = None,
) -> Stream:
    """Pre-norm residual blocks with the adapter's seams; `causal` hides later tokens from earlier ones.

    `token` (batch,) asks for that position of every row alone, (batch, 1, width): the last block then
    computes no more of the others than this one and the router's load depend on. Needs an adapter that can
    answer for one token.
    """
    blocks: Any = transformer.resblocks
    loads = []
    for index, block in enumerate(blocks):
        only = token if index == len(blocks) - 1 else None
        if recompute and torch.is_grad_enabled():
            x, load = checkpoint(run_block, block, index, x, causal, adapter, only, use_reentrant=False)
        else:
            x, load = run_block(block, index, x, causal, adapter, only)
        if load is not None:
            loads.append(load)
    return x, loads


def run_block(
    block: Block,
    index: int,
    x: torch.Tensor,
    causal: bool,
    adapter: TowerAdapter,
    token: torch.Tensor | None = None,
) -> tuple[torch.Tensor, RouterLoad | None]:
    """One block: the stream behind it, at `token` alone if given, and its router's load if it has one."""
    x = adapter.before_block(index, x)
    x = x + attention(block, x, causal)
    if token is None:
        beside, load = adapter.beside_mlp(index, x)
    else:
        if not isinstance(adapter, OneTokenTower):
            raise ValueError(f"{type(adapter).__name__} cannot answer for one token alone")
        beside, load = adapter.beside_mlp_at(index, x, token)
        x = pick(x, token)
    x = mlp_added(block, x)
    return x if beside is None else x + beside, load
