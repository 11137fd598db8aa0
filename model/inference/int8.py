"""Products of bytes: activations as unsigned 8-bit integers with fixed scales, weights as signed ones.

Only what costs most goes this way: of pictures the queries, keys and values, and both products of the MLPs.
The scales do not depend on what else is in a batch, so neither does a vector. Per site a `divisor` for every
input channel (its scale, evened out against the weights as in Xiao et al., "SmoothQuant", ICML 2023, eq. 4),
and for an MLP one scale of its hidden units, which leave the first product as bytes. Weights have a scale for
every output.

oneDNN's operators are chosen as torch carries them: model/README.md says how they compare with onnxruntime.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from model.errors import CheckpointError
from model.inference.folding import Affine
from model.inference.products import ONEDNN_NAMES, Added, After, Linear, OneDnnProducts

ZERO, MOST, WEIGHT_MOST = 128, 255, 127
LEAST_OUTPUT = {"silu": -0.2785, "gelu": -0.17, "relu": 0.0}
"""The lowest value that a function takes, a little below."""


@dataclass(frozen=True)
class HiddenScale:
    """A hidden unit is (byte - zero) * step."""

    step: float
    zero: int

    @classmethod
    def reaching(cls, most: float, after: After) -> "HiddenScale":
        """From the lowest value of the function to `most`, or to 0, which every scale must hold."""
        least = LEAST_OUTPUT[after]
        step = max(max(most, 0.0) - least, 1e-6) / MOST
        return cls(step, round(-least / step))


@dataclass(frozen=True)
class SiteScales:
    """An input x is (byte - 128) * `divisor` (inputs,); `hidden` only of an MLP."""

    divisor: torch.Tensor
    hidden: HiddenScale | None = None


@dataclass(frozen=True)
class _Weights:
    """Signed bytes arranged for oneDNN; `steps` (outputs,) is what one of them stands for."""

    packed: torch.Tensor
    steps: torch.Tensor
    zeros: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor) -> "_Weights":
        steps = weight.abs().amax(dim=1).clamp(min=1e-12) / WEIGHT_MOST
        rounded = (weight / steps[:, None]).round().to(torch.int8)
        packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        return cls(packed, steps, torch.zeros(len(steps), dtype=torch.int32))


class Int8Products:
    """`scales` by site; sites without are executed by `others`.

    Building a product raises CheckpointError for scales of another length than its inputs.
    """

    def __init__(self, scales: Mapping[str, SiteScales], others: OneDnnProducts) -> None:
        self.scales, self.others = scales, others
        self.dtype, self.device = others.dtype, others.device

    def linear(self, site: str, affine: Affine, after: After = "none") -> Linear:
        """As in `Products`."""
        scales = self.scales.get(site)
        if scales is None:
            return self.others.linear(site, affine, after)
        _require_fit(site, scales, affine)
        return byte_linear(affine, scales.divisor, after, self.dtype)

    def added(self, site: str, affine: Affine) -> Added:
        """As in `Products`."""
        return self.others.added(site, affine)

    def mlp(self, site: str, up: Affine, after: After, down: Affine) -> Added:
        """As in `Products`."""
        scales = self.scales.get(site)
        if scales is None or scales.hidden is None:
            return self.others.mlp(site, up, after, down)
        _require_fit(site, scales, up)
        return byte_mlp(up, after, down, scales.divisor, scales.hidden)


def _require_fit(site: str, scales: SiteScales, affine: Affine) -> None:
    inputs = affine.weight.shape[1]
    if scales.divisor.shape != (inputs,):
        raise CheckpointError(
            f"the scales of int8 do not fit this encoder: {site} has {inputs} inputs, not "
            f"{len(scales.divisor)}; run cskt export --precision int8 again, or use another precision."
        )


def byte_linear(affine: Affine, divisor: torch.Tensor, after: After, dtype: torch.dtype) -> Linear:
    """A product with a function behind it: x (..., inputs) of any float type -> `dtype`."""
    multiply, inverse = torch.ops.onednn.qlinear_pointwise.default, 1 / divisor
    weights = _Weights.of(affine.weight * divisor)
    bias, name = affine.bias.float(), ONEDNN_NAMES[after]
    rest: tuple[Any, ...] = (
        weights.packed,
        weights.steps,
        weights.zeros,
        bias,
        1.0,
        0,
        dtype,
        name,
        [],
        "none",
    )
    return lambda x: multiply(as_bytes(x, inverse), 1.0, ZERO, *rest)


def byte_mlp(up: Affine, after: After, down: Affine, divisor: torch.Tensor, hidden: HiddenScale) -> Added:
    """Two products, their hidden units bytes; the sum with the stream in the stream's type."""
    multiply, add = torch.ops.onednn.qlinear_pointwise.default, torch.ops.onednn.qlinear_pointwise.binary
    first, second = _Weights.of(up.weight * divisor), _Weights.of(down.weight)
    inverse, name, bias = 1 / divisor, ONEDNN_NAMES[after], up.bias.float()
    rest: tuple[Any, ...] = (
        first.packed,
        first.steps,
        first.zeros,
        bias,
        hidden.step,
        hidden.zero,
        torch.uint8,
        name,
        [],
        "none",
    )
    own = (second.packed, second.steps, second.zeros)
    bias_behind = down.bias.float()

    def added(x: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
        units = multiply(as_bytes(x, inverse), 1.0, ZERO, *rest)
        end: tuple[Any, ...] = (
            stream,
            bias_behind,
            1.0,
            0,
            stream.dtype,
            1.0,
            0,
            "add",
            1.0,
            "none",
            [],
            "none",
        )
        summed: torch.Tensor = add(units, hidden.step, hidden.zero, *own, *end)
        return summed

    return added


def byte_product(affine: Affine) -> Linear:
    """The product alone, bytes (rows, inputs) to bfloat16: how fast bytes can be multiplied at all."""
    multiply, weights = torch.ops.onednn.qlinear_pointwise.default, _Weights.of(affine.weight)
    own: tuple[Any, ...] = (weights.packed, weights.steps, weights.zeros, affine.bias)
    return lambda given: multiply(given, 1.0, ZERO, *own, 1.0, 0, torch.bfloat16, "none", [], "none")


def as_bytes(x: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """The nearest bytes to x (..., inputs) times `inverse` (inputs,) plus 128, cut off at both ends."""
    return torch.mul(x, inverse).add_(ZERO + 0.5).clamp_(0, MOST).to(torch.uint8)


def bytes_available() -> bool:
    """Whether this processor multiplies bytes without overflow and this torch has the operators."""
    known = hasattr(torch.ops.onednn, "qlinear_pointwise") and hasattr(torch.ops.onednn, "qlinear_prepack")
    return known and torch.cpu._is_vnni_supported()
