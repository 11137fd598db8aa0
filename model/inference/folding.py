"""The exact rewrites: an encoder's towers with everything computed beforehand that no input changes.

With n(x) = (x - mean) / deviation, a LayerNorm g * n(x) + b before a product W goes into it: W (g n + b) + c
= (W g) n + (W b + c). ln_2 and ln_3 read the same stream, so one n serves the MLP, the adapter and the
router. QuickGELU is silu(1.702 c) / 1.702: the factor goes into the product before, the divisor into the one
behind. Likewise a method's scale, CSKT's prompts and couplings, the domain part of DM-Adapter's router, the
class token and the pixels' normalisation. Folded in float64, kept in float32.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from model.adapters.adapter import TowerAdapter
from model.adapters.cskt import CsktTower, SideAdapter
from model.adapters.dm_adapter import DmAdapterTower, DomainMixture
from model.blocks import QUICK, Block
from model.encoder import PersonEncoder
from model.inference.patches import FoldedStem, Patches, fold_patches

Activation = Literal["silu", "gelu"]


@dataclass(frozen=True)
class Affine:
    """y = W x + b: `weight` (outputs, inputs), `bias` (outputs,)."""

    weight: torch.Tensor
    bias: torch.Tensor

    def rows(self, start: int, stop: int) -> "Affine":
        """Some of the outputs."""
        return Affine(self.weight[start:stop], self.bias[start:stop])


@dataclass(frozen=True)
class Bottleneck:
    """CSKT beside the MLP: up(relu(down(n)))."""

    down: Affine
    up: Affine


@dataclass(frozen=True)
class Mixture:
    """DM-Adapter beside the MLP: up(relu(down(n)) * w), w the softmax over the `top_k` best of gate(n).

    The experts' hidden units lie side by side, `units` each; an expert's last one is always 1, so that its
    bias behind is weighted as its other units are. `up` has no bias of its own (zeros).
    """

    gate: Affine
    down: Affine
    up: Affine
    top_k: int
    units: int


@dataclass(frozen=True)
class FoldedBlock:
    """One block over the normalised stream; `qkv` gives queries, keys and values side by side.

    What CSKT's prompts come to here: `known` (2n, 2 * width) are keys and values that every row sees beside
    its own, of prompts that are thrown away behind this block; `arriving` (2n, width) are prompts that stay,
    and join the stream before it.
    """

    qkv: Affine
    out: Affine
    up: Affine
    down: Affine
    beside: Bottleneck | Mixture | None
    known: torch.Tensor | None
    arriving: torch.Tensor | None
    activation: Activation
    heads: int
    eps: float


@dataclass(frozen=True)
class FoldedVision:
    """Bytes (batch, height, width, 3) to features.

    `first` (width,) is the class token behind `norm`, which the patches alone still pass (weight, bias).
    """

    patches: Patches | FoldedStem
    positions: torch.Tensor
    first: torch.Tensor
    norm: Affine
    norm_eps: float
    blocks: tuple[FoldedBlock, ...]
    head: Affine
    head_eps: float


@dataclass(frozen=True)
class FoldedText:
    """Token ids to features; `places` behind the first token belong to CSKT's prompts."""

    words: torch.Tensor
    positions: torch.Tensor
    places: int
    blocks: tuple[FoldedBlock, ...]
    head: Affine
    head_eps: float


@torch.no_grad()
def fold_vision(encoder: PersonEncoder) -> FoldedVision:
    """The vision tower of an encoder in evaluation mode; the encoder is left as it is."""
    tower, seams = encoder.visual, encoder.adapter.vision_tower()
    norm = tower.ln_pre
    assert isinstance(norm, nn.LayerNorm)
    patches, bias = fold_patches(tower.conv1, encoder.config.mean, encoder.config.std)
    levels = seams.levels if isinstance(seams, CsktTower) else []
    levels = [norm(level) if depth == 0 else level for depth, level in enumerate(levels)]
    first = tower.class_embedding + tower.positional_embedding[0]
    head, head_eps = _head(tower.ln_post, tower.proj)
    return FoldedVision(
        patches=patches,
        positions=_kept(tower.positional_embedding[1:].double() + bias),
        first=_kept(norm(first)),
        norm=Affine(_kept(norm.weight), _kept(norm.bias)),
        norm_eps=norm.eps,
        blocks=_blocks(tower.transformer, seams, levels),
        head=head,
        head_eps=head_eps,
    )


@torch.no_grad()
def fold_text(encoder: PersonEncoder) -> FoldedText:
    """The text tower of an encoder in evaluation mode; the encoder is left as it is."""
    tower, seams = encoder.text, encoder.adapter.text_tower()
    words, positions = tower.token_embedding, tower.positional_embedding
    assert isinstance(words, nn.Embedding)
    levels = seams.levels if isinstance(seams, CsktTower) else []
    places = len(levels[0]) if levels else 0
    levels = [level + positions[1 : 1 + places] if n == 0 else level for n, level in enumerate(levels)]
    head, head_eps = _head(tower.ln_final, tower.text_projection)
    return FoldedText(
        words=_kept(words.weight),
        positions=_kept(positions),
        places=places,
        blocks=_blocks(tower.transformer, seams, levels),
        head=head,
        head_eps=head_eps,
    )


def _blocks(
    transformer: nn.Module, seams: TowerAdapter, levels: list[torch.Tensor]
) -> tuple[FoldedBlock, ...]:
    """`levels` are CSKT's prompts as each block of the first ones shall see them."""
    resblocks: Any = transformer.resblocks
    folded = [_block(block, index, seams) for index, block in enumerate(resblocks)]
    for index, level in enumerate(levels[: len(folded)]):
        block = folded[index]
        if index + 1 < len(levels) or index + 1 == len(folded):  # nobody reads what becomes of these prompts
            folded[index] = replace(block, known=_keys_and_values(block, level))
        else:
            folded[index] = replace(block, arriving=_kept(level))
    return tuple(folded)


def _keys_and_values(block: FoldedBlock, prompts: torch.Tensor) -> torch.Tensor:
    width = prompts.shape[1]
    normalised = F.layer_norm(prompts.double(), (width,), eps=block.eps)
    return _kept(F.linear(normalised, block.qkv.weight[width:].double(), block.qkv.bias[width:].double()))


def _block(block: Block, index: int, seams: TowerAdapter) -> FoldedBlock:
    attn, mlp = block.attn, block.mlp
    quick = not isinstance(mlp.gelu, nn.GELU)
    factor = QUICK if quick else 1.0
    up = _behind(block.ln_2, mlp.c_fc.weight, mlp.c_fc.bias)
    assert block.ln_1.eps == block.ln_2.eps  # one number stands for both
    return FoldedBlock(
        qkv=_behind(block.ln_1, attn.in_proj_weight, attn.in_proj_bias),
        out=_affine(attn.out_proj),
        up=Affine(_kept(factor * up.weight.double()), _kept(factor * up.bias.double())),
        down=Affine(_kept(mlp.c_proj.weight.double() / factor), _kept(mlp.c_proj.bias)),
        beside=_beside(index, seams, block.ln_2.eps),
        known=None,
        arriving=None,
        activation="silu" if quick else "gelu",
        heads=attn.num_heads,
        eps=block.ln_1.eps,
    )


def _beside(index: int, seams: TowerAdapter, eps: float) -> Bottleneck | Mixture | None:
    """What the method adds, for the normalised stream. Raises ValueError for a method unknown here."""
    if isinstance(seams, CsktTower):
        side = seams.adapters[index]
        assert isinstance(side, SideAdapter)
        assert side.norm.eps == eps
        up = _affine(side.up)
        return Bottleneck(
            _behind(side.norm, side.down.weight, side.down.bias),
            Affine(_kept(seams.scale * up.weight.double()), _kept(seams.scale * up.bias.double())),
        )
    if isinstance(seams, DmAdapterTower):
        mixture = seams.mixtures[index]
        assert isinstance(mixture, DomainMixture)
        assert mixture.norm.eps == eps
        return _mixture(mixture, seams.scale)
    if type(seams) is not TowerAdapter:
        raise ValueError(f"{type(seams).__name__} has no inference form: teach model/inference/folding.py")
    return None


def _mixture(block: DomainMixture, scale: float) -> Mixture:
    mixture, norm = block.mixture, block.norm
    alpha = mixture.alpha.double()
    domain = alpha * (mixture.domain_gate.weight.double() @ block.domain_prompt.double())
    gate = _behind(norm, (1 - alpha) * mixture.input_gate.weight.double(), domain)
    downs, ups = [], []
    for expert in mixture.experts:
        assert isinstance(expert.down, nn.Linear)
        assert isinstance(expert.up, nn.Linear)
        down = _behind(norm, expert.down.weight, expert.down.bias)
        always_one = torch.cat([down.weight, torch.zeros_like(down.weight[:1])])
        downs.append(Affine(always_one, torch.cat([down.bias, torch.ones_like(down.bias[:1])])))
        ups.append(torch.cat([expert.up.weight, expert.up.bias[:, None]], dim=1))
    up = _kept(scale * torch.cat(ups, dim=1).double())
    return Mixture(
        gate=gate,
        down=Affine(torch.cat([part.weight for part in downs]), torch.cat([part.bias for part in downs])),
        up=Affine(up, torch.zeros_like(up[:, 0])),
        top_k=mixture.top_k,
        units=len(downs[0].bias),
    )


def _behind(norm: nn.LayerNorm, weight: torch.Tensor, bias: torch.Tensor) -> Affine:
    """The product with `weight` behind a LayerNorm, for the stream that is normalised alone."""
    wide = weight.double()
    return Affine(_kept(wide * norm.weight.double()), _kept(wide @ norm.bias.double() + bias.double()))


def _head(norm: nn.Module, projection: torch.Tensor) -> tuple[Affine, float]:
    assert isinstance(norm, nn.LayerNorm)
    return _behind(norm, projection.t(), projection.new_zeros(projection.shape[1])), norm.eps


def _affine(layer: nn.Linear) -> Affine:
    return Affine(_kept(layer.weight), _kept(layer.bias))


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    """float32, contiguous, a copy of its own."""
    return tensor.detach().float().clone(memory_format=torch.contiguous_format)
