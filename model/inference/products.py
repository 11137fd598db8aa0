"""How a linear map is executed: by torch on any device, or by oneDNN on a CPU, with what follows it fused.

A block asks for three kinds: a product alone, one added to the stream, and an MLP added to the stream. What a
kind does is the same everywhere; which instructions do it depends on the device and the precision.
`site` names the place in the network, such as `visual.3.mlp`; model.inference.int8 looks up its scales by it.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
import torch.nn.functional as F

from model.inference.folding import Affine

Linear = Callable[[torch.Tensor], torch.Tensor]
"""x (..., inputs) -> (..., outputs)."""

Added = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""x (..., inputs) and the stream (..., outputs) -> their sum behind a map, in the stream's shape."""

After = Literal["none", "relu", "silu", "gelu"]
FUNCTIONS: dict[After, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": lambda x: x,
    "relu": torch.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}
ONEDNN_NAMES: dict[After, str] = {"none": "none", "relu": "relu", "silu": "swish", "gelu": "gelu"}
"""What oneDNN's operators call the functions; its `gelu` is the exact one."""


class Products(Protocol):
    """One way to execute; `dtype` is what the stream is kept in."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the stream and of what products take and give."""
        ...

    def linear(self, site: str, affine: Affine, after: After = "none") -> Linear:
        """A product with a function behind it."""
        ...

    def added(self, site: str, affine: Affine) -> Added:
        """A product added to the stream."""
        ...

    def mlp(self, site: str, up: Affine, after: After, down: Affine) -> Added:
        """Two products with a function between, added to the stream."""
        ...

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        ...


class TorchProducts:
    """Torch's own operators, on any device and in any precision it has."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self.device = dtype, device

    def linear(self, site: str, affine: Affine, after: After = "none") -> Linear:
        """As in `Products`."""
        weight, bias = (part.to(self.device, self.dtype) for part in (affine.weight, affine.bias))
        function = FUNCTIONS[after]
        return lambda x: function(F.linear(x, weight, bias))

    def added(self, site: str, affine: Affine) -> Added:
        """As in `Products`."""
        product = self.linear(site, affine)
        return lambda x, stream: stream + product(x)

    def mlp(self, site: str, up: Affine, after: After, down: Affine) -> Added:
        """As in `Products`."""
        return chained(self.linear(site, up, after), self.added(site, down))


class OneDnnProducts:
    """oneDNN's products on a CPU: weights arranged once, function and sum done while the result is in
    reach."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype, self.device = dtype, torch.device("cpu")

    def linear(self, site: str, affine: Affine, after: After = "none") -> Linear:
        """As in `Products`."""
        weight, bias = self._arranged(affine)
        operator, name = torch.ops.mkldnn._linear_pointwise.default, ONEDNN_NAMES[after]
        return lambda x: operator(x, weight, bias, name, [], "none")

    def added(self, site: str, affine: Affine) -> Added:
        """As in `Products`."""
        weight, bias = self._arranged(affine)
        operator = torch.ops.mkldnn._linear_pointwise.binary
        return lambda x, stream: operator(x, stream, weight, bias, "add")

    def mlp(self, site: str, up: Affine, after: After, down: Affine) -> Added:
        """As in `Products`."""
        return chained(self.linear(site, up, after), self.added(site, down))

    def _arranged(self, affine: Affine) -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.ops.mkldnn._reorder_linear_weight(affine.weight.to(self.dtype))
        return weight, affine.bias.to(self.dtype)


def chained(up: Linear, down: Added) -> Added:
    """The second behind the first."""
    return lambda x, stream: down(up(x), stream)


def onednn_available() -> bool:
    """Whether this torch has the operators; it promises them to nobody."""
    names = ("_linear_pointwise", "_reorder_linear_weight")
    found = all(hasattr(torch.ops.mkldnn, name) for name in names)
    return found and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
