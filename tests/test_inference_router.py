"""The router of a mixture in a low precision (model/inference/feed_forward.py)."""

import pytest
import torch
import torch.nn.functional as F

from model.inference.feed_forward import fused, merged
from model.inference.folding import Affine, FoldedBlock, Mixture
from model.inference.products import TorchProducts

EXPERTS, WIDTH, UNITS = 6, 32, 1


def mixture(random):
    """Expert i adds i + 1 to the first channel and nothing else, so that the sum tells who was picked."""
    up = torch.zeros(WIDTH, EXPERTS)
    up[0] = torch.arange(1.0, EXPERTS + 1)
    return Mixture(
        gate=Affine(torch.randn(EXPERTS, WIDTH, generator=random), torch.zeros(EXPERTS)),
        down=Affine(torch.zeros(EXPERTS, WIDTH), torch.ones(EXPERTS)),
        up=Affine(up, torch.zeros(WIDTH)),
        top_k=1,
        units=UNITS,
    )


@pytest.mark.parametrize("arrangement", [fused, merged])
def test_the_expert_that_is_picked_does_not_depend_on_the_precision_of_its_products(arrangement):
    random = torch.Generator().manual_seed(0)
    beside = mixture(random)
    nothing = Affine(torch.zeros(4, WIDTH), torch.zeros(4))
    block = FoldedBlock(
        qkv=nothing,
        out=nothing,
        up=nothing,
        down=Affine(torch.zeros(WIDTH, 4), torch.zeros(WIDTH)),
        beside=beside,
        known=None,
        arriving=None,
        activation="silu",
        heads=1,
        eps=1e-5,
    )
    x = torch.randn(20, 100, WIDTH, generator=random).bfloat16()
    run = arrangement(block, TorchProducts(torch.bfloat16, torch.device("cpu")), "site")
    picked = run(x, torch.zeros_like(x))[..., 0].round().long() - 1
    exact = F.linear(x.double(), beside.gate.weight.double()).argmax(dim=-1)
    rounded = F.linear(x, beside.gate.weight.bfloat16()).argmax(dim=-1)
    assert (rounded != exact).any()  # or there would be nothing to see
    assert torch.equal(picked, exact)
