"""A linear layer that is not trained: the quickest product for it, and nothing kept but its weight.

In float32 on a CPU torch multiplies by MKL, which on other makers' processors stays behind oneDNN (by a tenth
on a Zen 4). oneDNN comes with torch as well; torch.compile reaches it by the operator used here.
"""

import torch
import torch.nn.functional as F
from torch.autograd.function import FunctionCtx

ROWS_FROM = 256
"""Rows from which oneDNN's arranging of the weight pays."""


def linear_parts(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, parts: int
) -> tuple[torch.Tensor, ...]:
    """x (..., inputs) times weight (outputs, inputs), plus bias, cut into equal parts (..., outputs / parts).

    Where the weight is frozen the parts' gradients are taken one by one, never put together again.
    """
    if weight.requires_grad or not _onednn_is_quicker(x):
        return F.linear(x, weight, bias).chunk(parts, dim=-1)
    return _FrozenLinear.apply(x, weight, bias, parts)  # type: ignore[no-any-return, no-untyped-call]


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """x (..., inputs) times weight (outputs, inputs), plus bias."""
    return linear_parts(x, weight, bias, 1)[0]


def _onednn_is_quicker(x: torch.Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() // x.shape[-1] >= ROWS_FROM
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()  # which arranges its products itself
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # torch promises it to nobody
    )


class _FrozenLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, parts: int
    ) -> tuple[torch.Tensor, ...]:
        """The product, as views of one tensor."""
        ctx.save_for_backward(weight)
        return _product(x, weight, bias).chunk(parts, dim=-1)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The sum over the parts of gradient times weight."""
        (weight,) = ctx.saved_tensors  # type: ignore[attr-defined]
        first, *others = zip(gradients, weight.chunk(len(gradients)), strict=True)
        total = _product(first[0], first[1].t(), None)
        for gradient, rows in others:
            total += _product(gradient, rows.t(), None)
        return total, None, None, None


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    multiplied: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return multiplied
