"""What follows a block's attention: the MLP and, beside it, what the method adds; in one of two arrangements.

`fused` runs every product by itself with its function done in the same pass: best for many tokens, where what
is written and read again costs most. `merged` runs two products in all, their hidden units side by side: best
for a caption, where every call and every weight read costs more than the arithmetic. Both give the same sums.
"""

from collections.abc import Callable

import torch

from model.adapters.experts import pick_experts
from model.inference.folding import Activation, Affine, Bottleneck, FoldedBlock, Mixture
from model.inference.products import Added, Linear, Products, TorchProducts

FeedForward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The normalised stream and the stream (batch, tokens, width) -> the stream behind the block."""

IN_PLACE: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    "silu": torch.ops.aten.silu_.default,
    "gelu": torch.ops.aten.gelu_.default,
}


def fused(block: FoldedBlock, products: Products, site: str) -> FeedForward:
    """The MLP, then the method's part, each added to the stream."""
    mlp = products.mlp(f"{site}.mlp", block.up, block.activation, block.down)
    beside = _beside(block.beside, products, f"{site}.beside")
    if beside is None:
        return mlp
    return lambda normalised, stream: beside(normalised, mlp(normalised, stream))


def merged(block: FoldedBlock, products: Products, site: str) -> FeedForward:
    """One product to all hidden units, and one from them."""
    beside, function, units = block.beside, IN_PLACE[block.activation], len(block.up.bias)
    ups, downs, bias = [block.up], [block.down.weight], block.down.bias
    if beside is not None:
        ups.append(beside.down)
        downs.append(beside.up.weight)
        bias = bias + beside.up.bias
    weight = torch.cat([part.weight for part in ups])
    up = products.linear(f"{site}.merged_up", Affine(weight, torch.cat([part.bias for part in ups])))
    down = products.added(f"{site}.merged_down", Affine(torch.cat(downs, dim=1), bias))

    weights_of = _router(beside, products, site) if isinstance(beside, Mixture) else None
    expert_units = beside.units if isinstance(beside, Mixture) else 0

    def run(normalised: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
        hidden = up(normalised)
        function(hidden[..., :units])
        if weights_of is not None:
            own = hidden[..., units:].view(*hidden.shape[:-1], -1, expert_units)
            own.mul_(weights_of(normalised)[..., None])  # which are not negative, so ReLU may follow
        hidden[..., units:].relu_()
        return down(hidden, stream)

    return run


def _beside(folded: Bottleneck | Mixture | None, products: Products, site: str) -> Added | None:
    if folded is None:
        return None
    if isinstance(folded, Bottleneck):
        return products.mlp(site, folded.down, "relu", folded.up)
    weights_of, down = _router(folded, products, site), products.linear(site, folded.down, "relu")
    up, units = products.added(site, folded.up), folded.units

    def mixed(normalised: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
        hidden = down(normalised)
        hidden = hidden.view(*hidden.shape[:-1], -1, units)
        return up((hidden * weights_of(normalised)[..., None]).flatten(-2), stream)

    return mixed


def _router(mixture: Mixture, products: Products, site: str) -> Linear:
    """The normalised stream -> the experts' weights, in the stream's type.

    The gate's product is float32 in every form: where two experts are about as good, the rounding of a lower
    precision picks another one, which changes a vector more than all other rounding does.
    """
    gate = TorchProducts(torch.float32, products.device).linear(f"{site}.gate", mixture.gate)
    top_k = mixture.top_k  # the mixture itself is not kept
    return lambda x: pick_experts(gate(x.float()), top_k)[0].to(x.dtype)
