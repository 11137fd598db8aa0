"""What a method adds to CLIP: the seams of the two towers, doing nothing here.

An `Adapter` owns a method's parameters, all of them and nothing else, so "trainable" needs no matching of
names. For each forward pass it hands each tower a `TowerAdapter`, a light object of that pass, whose seams
the tower calls.
"""

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn


@dataclass(frozen=True)
class TowerShape:
    """Channels and number of blocks of one tower."""

    width: int
    layers: int


@dataclass(frozen=True)
class RouterLoad:
    """How routers spread their tokens over experts; a leading axis, if any, counts blocks.

    `probability` (..., experts): mean of the full softmax, with gradient. `share` (..., experts): mean number
    of times an expert is picked, without. `tokens` (...): over how many tokens both means were taken.
    """

    probability: torch.Tensor
    share: torch.Tensor
    tokens: torch.Tensor

    @property
    def balance(self) -> torch.Tensor:
        """The load-balance loss, sum of probability times share over experts and blocks (a scalar)."""
        return (self.probability * self.share).sum()


Beside = tuple[torch.Tensor | None, RouterLoad | None]
"""Beside a block's MLP: what is added to the stream, and how a router spread it, if there is one."""


class TowerAdapter:
    """The seams of one tower during one forward pass; x is (batch, tokens, width) throughout.

    They keep nothing between calls, so that a block may be run a second time in the backward pass.
    """

    def extend(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add to the embedded tokens: in vision after the position embedding and before `ln_pre`, in text
        before it."""
        return tokens

    def before_block(self, index: int, x: torch.Tensor) -> torch.Tensor:
        """The residual stream as block `index` shall see it."""
        return x

    def beside_mlp(self, index: int, x: torch.Tensor) -> Beside:
        """What is added to the stream together with block `index`'s MLP; `x` is the stream after its
        attention."""
        return None, None


class MethodConfig(BaseModel):
    """The root of the adapters' configurations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def check(self, vision: TowerShape, text: TowerShape, context_length: int) -> None:
        """Raise ValueError if the method does not fit towers of these shapes."""

    def build(self, vision: TowerShape, text: TowerShape) -> "Adapter":
        """The method's module, freshly initialised."""
        return Adapter()


class Adapter(nn.Module):
    """A method on both towers: its parameters, and the seams it lends to a forward pass."""

    trains_backbone = False
    reserved_tokens = 0  # of the text context, taken from every caption

    def vision_tower(self) -> TowerAdapter:
        """The vision tower's seams for one forward pass."""
        return TowerAdapter()

    def text_tower(self) -> TowerAdapter:
        """The text tower's seams for one forward pass."""
        return TowerAdapter()

    def caption_ids(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (batch, context) with the room the method needs; a new tensor or the same one, never
        changed."""
        return ids

    def backbone_loaded(self, token_embedding: torch.Tensor) -> None:
        """Called when pretrained weights were read into the backbone; `token_embedding` is (vocabulary,
        width)."""
