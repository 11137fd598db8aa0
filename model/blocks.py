"""The two halves of a CLIP block, arranged so that little is kept and copied.

open_clip's forward passes give the same numbers, but keep three tensors for QuickGELU, copy the stream to and
fro for the attention, and add a mask where a causal kernel needs none.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from model.frozen_linear import linear, linear_parts

QUICK = 1.702
"""QuickGELU is c * sigmoid(1.702 c) (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016)."""


class Attention(Protocol):
    """What is used of torch's multi-head attention: one packed projection to queries, keys and values."""

    num_heads: int
    in_proj_weight: nn.Parameter
    in_proj_bias: nn.Parameter
    out_proj: nn.Linear


class Mlp(Protocol):
    """What is used of a block's MLP."""

    c_fc: nn.Linear
    gelu: nn.Module
    c_proj: nn.Linear


class Block(Protocol):
    """What the towers use of a residual block; a plain CLIP has no layer scale."""

    ln_1: nn.LayerNorm
    attn: Attention
    ln_2: nn.LayerNorm
    mlp: Mlp


def attention(block: Block, x: torch.Tensor, causal: bool) -> torch.Tensor:
    """MHA(ln_1(x)) of x (batch, tokens, width); `causal` hides later tokens from earlier ones."""
    attn = block.attn
    parts = linear_parts(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias, 3)
    query, key, value = (part.view(*x.shape[:2], attn.num_heads, -1).transpose(1, 2) for part in parts)
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return linear(mixed.transpose(1, 2).flatten(2), attn.out_proj.weight, attn.out_proj.bias)


def mlp_added(block: Block, x: torch.Tensor) -> torch.Tensor:
    """x + MLP(ln_2(x)).

    With u = 1.702 c, QuickGELU is silu(u) / 1.702, for which torch has a kernel that keeps u alone. The
    factor goes into ln_2 and the bias before, the divisor into the sum behind, so neither costs anything.
    """
    norm, up, down = block.ln_2, block.mlp.c_fc, block.mlp.c_proj
    if isinstance(block.mlp.gelu, nn.GELU):
        return x + down(block.mlp.gelu(up(norm(x))))  # type: ignore[no-any-return]
    z = F.layer_norm(x, norm.normalized_shape, QUICK * norm.weight, QUICK * norm.bias, norm.eps)
    u = linear(z.to(x.dtype), up.weight, QUICK * up.bias)
    return torch.add(x, linear(F.silu(u), down.weight, QUICK * down.bias), alpha=1 / QUICK)
