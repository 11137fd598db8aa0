"""The weighted sum of bottleneck experts: all of them at once, or each on the tokens that picked it.

With E experts of which a token picks k, the first takes E / k times the products in two large ones without
a copy; the second gathers tokens and scatters answers, expert by expert. Both are exact, and in both an
expert picked by no token receives a zero gradient (not none), so that the optimizer's momentum and decay go
on for it as in the published training.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import FunctionCtx

SORTED_FROM = 256
"""Tokens from which sorting them by expert is quicker on a CPU."""


class Expert(nn.Module):
    """One bottleneck adapter; its up-projection starts at zero, so that the untrained model is CLIP
    itself."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // reduction)
        self.up = nn.Linear(width // reduction, width)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width) -> the same shape; a mixture computes its experts together instead."""
        return self.up(torch.relu(self.down(z)))  # type: ignore[no-any-return]


def pick_experts(logits: torch.Tensor, top_k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """From (..., experts): each expert's weight, the softmax over the `top_k` best and zero elsewhere, and
    which these are, best first (..., top_k)."""
    best, selected = logits.topk(top_k, dim=-1)
    return torch.zeros_like(logits).scatter(-1, selected, best.softmax(dim=-1)), selected


def weighted_sum(
    experts: Sequence[Expert], z: torch.Tensor, weights: torch.Tensor, selected: torch.Tensor
) -> torch.Tensor:
    """sum over e of weights[..., e] * expert_e(z), (..., width) as z.

    `weights` (..., experts) are zero where `selected` (..., k) does not name the expert.
    """
    tokens = selected.numel() // selected.shape[-1]
    plain = z.device.type == "cpu" and z.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if plain and tokens >= SORTED_FROM:
        up_bias = torch.stack([expert.up.bias for expert in experts])
        parts = [(expert.down.weight, expert.down.bias, expert.up.weight) for expert in experts]
        flat = z.flatten(0, -2), weights.flatten(0, -2), selected.flatten(0, -2), up_bias
        mixed: torch.Tensor = _SortedExperts.apply(  # type: ignore[no-untyped-call]
            *flat, *(tensor for part in parts for tensor in part)
        )
        return mixed.view_as(z)
    return _all_at_once(experts, z, weights)


def _all_at_once(experts: Sequence[Expert], z: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """One wide bottleneck whose hidden units are weighted."""
    down = torch.cat([expert.down.weight for expert in experts])
    down_bias = torch.cat([expert.down.bias for expert in experts])
    up = torch.cat([expert.up.weight for expert in experts], dim=1)
    up_bias = torch.stack([expert.up.bias for expert in experts])
    hidden = torch.relu(F.linear(z, down, down_bias))
    hidden = hidden.view(*hidden.shape[:-1], len(experts), -1)
    weights = weights.to(hidden.dtype)
    return F.linear((hidden * weights[..., None]).flatten(-2), up) + weights @ up_bias


class _SortedExperts(torch.autograd.Function):
    """Each expert on the tokens that picked it. Kept for the backward pass: z, and k bottlenecks a token."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        z: torch.Tensor,
        weights: torch.Tensor,
        selected: torch.Tensor,
        up_bias: torch.Tensor,
        *parts: torch.Tensor,
    ) -> torch.Tensor:
        """Flat z (n, width), weights (n, experts), selected (n, k); parts are down, its bias and up in
        turn."""
        token = selected.flatten().argsort(stable=True) // selected.shape[1]
        counts = torch.bincount(selected.flatten(), minlength=len(up_bias))
        ends = list(accumulate(counts.tolist(), initial=0))
        hidden = z.new_empty(len(token), len(parts[0]))
        mixed = weights @ up_bias
        for number, (start, end) in enumerate(pairwise(ends)):
            own, (down, down_bias, up) = token[start:end], parts[3 * number : 3 * number + 3]
            h = torch.addmm(down_bias, z[own], down.t(), out=hidden[start:end]).relu_()
            mixed.index_add_(0, own, (h * weights[own, number, None]) @ up.t())
        ctx.save_for_backward(z, weights, token, hidden, up_bias, *parts)
        ctx.ends = ends  # type: ignore[attr-defined]
        return mixed

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of z, weights, up_bias and the parts."""
        (grad,) = gradients
        z, weights, token, hidden, up_bias, *parts = ctx.saved_tensors  # type: ignore[attr-defined]
        grad_z, grad_weights = torch.zeros_like(z), grad @ up_bias.t()
        grad_parts: list[torch.Tensor] = []
        for number, (start, end) in enumerate(pairwise(ctx.ends)):  # type: ignore[attr-defined]
            own, h, (down, _, up) = token[start:end], hidden[start:end], parts[3 * number : 3 * number + 3]
            above, weight = grad[own], weights[own, number, None]
            unweighted = above @ up
            grad_weights[own, number] += (unweighted * h).sum(dim=1)
            below = (unweighted * weight).mul_(h > 0)
            grad_z.index_add_(0, own, below @ down)
            grad_parts += [below.t() @ z[own], below.sum(dim=0), above.t() @ (h * weight)]
        return grad_z, grad_weights, None, weights.t() @ grad, *grad_parts
