"""PersonEncoder: CLIP's two towers with one adapter method, from pixels or token ids to the shared space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn

from model.adapters.adapter import RouterLoad, TowerAdapter
from model.adapters.one_token import OneTokenTower, pick
from model.backbone import build_clip
from model.config import EncoderConfig
from model.towers import TextTower, VisionTower


@dataclass(frozen=True)
class Features:
    """`image` and `text` (batch, embed_dim), float32 and not normalised; `load` (blocks, experts) of the
    adapter's routers, None if it has none."""

    image: torch.Tensor
    text: torch.Tensor
    load: RouterLoad | None = None

    @property
    def auxiliary(self) -> torch.Tensor:
        """The adapter's own loss before its weight (a scalar); zero if it has none."""
        return self.image.new_zeros(()) if self.load is None else self.load.balance


class PersonEncoder(nn.Module):
    """The whole network. Which parameters train is settled here: the adapter's, or all of them for method
    "full"."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        clip = build_clip(config.backbone)
        self.visual = VisionTower(clip.visual)
        self.text = TextTower(clip)
        self.adapter = config.adapter.build(config.backbone.vision_shape, config.backbone.text_shape)
        self.freeze()

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, shorten: bool = False) -> Features:
        """Pixels (batch, 3, height, width) and as many or other captions (batch, context) to their features.

        `shorten` as in `encode_text`; an adapter's auxiliary loss then no longer counts the padding.
        """
        image, image_loads = self._image(pixels)
        text, text_loads = self._text(self._caption(ids, shorten))
        return Features(image, text, stacked([*image_loads, *text_loads]))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (batch, 3, height, width) -> (batch, embed_dim), float32, not of unit length."""
        return self._image(pixels)[0]

    def encode_text(self, ids: torch.Tensor, shorten: bool = False) -> torch.Tensor:
        """Token ids (batch, context) -> (batch, embed_dim), float32, not of unit length.

        `shorten` leaves out the positions behind the batch's last end token: the same features, since no
        token sees a later one, in less time.
        """
        return self._text(self._caption(ids, shorten))[0]

    def freeze(self) -> None:
        """Let exactly the method's parameters require gradients."""
        for tower in (self.visual, self.text):
            tower.requires_grad_(self.adapter.trains_backbone)
        self.adapter.requires_grad_(True)
        self.train(self.training)

    def trainable_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters that train, in the order of the published optimizers."""
        return [(name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> Self:
        """As in torch, but a frozen backbone stays in evaluation mode: its batch statistics must not move."""
        super().train(mode)
        if not self.adapter.trains_backbone:
            self.visual.eval()
            self.text.eval()
        return self

    def _caption(self, ids: torch.Tensor, shorten: bool) -> torch.Tensor:
        ids = self.adapter.caption_ids(ids)
        return ids[:, : int(ids.argmax(dim=1).max()) + 1] if shorten else ids

    def _image(self, pixels: torch.Tensor) -> tuple[torch.Tensor, list[RouterLoad]]:
        first = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device)
        return _feature(self.visual, pixels, self.adapter.vision_tower(), first)

    def _text(self, ids: torch.Tensor) -> tuple[torch.Tensor, list[RouterLoad]]:
        return _feature(self.text, ids, self.adapter.text_tower(), ids.argmax(dim=1))


def _feature(
    tower: VisionTower | TextTower, inputs: torch.Tensor, seams: TowerAdapter, token: torch.Tensor
) -> tuple[torch.Tensor, list[RouterLoad]]:
    """The projected token at position `token` (batch,) of each row, and the routers' loads."""
    if isinstance(seams, OneTokenTower):
        stream, loads = tower(inputs, seams, token)
    else:
        stream, loads = tower(inputs, seams)
        stream = pick(stream, token)
    return tower.project(stream[:, 0]).float(), loads


def stacked(loads: Sequence[RouterLoad]) -> RouterLoad | None:
    """Several loads as one with a leading axis, such as (blocks, experts); None where there are none."""
    if not loads:
        return None
    return RouterLoad(
        torch.stack([load.probability for load in loads]),
        torch.stack([load.share for load in loads]),
        torch.stack([load.tokens for load in loads]),
    )
