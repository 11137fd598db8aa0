"""Every training loss by its `kind`, and their weighted sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import nn

from model.losses.attributes import AttributeLoss, AttributesConfig
from model.losses.balance import BalanceConfig
from model.losses.cmpm import CmpmConfig, cmpm_loss
from model.losses.hard_captions import HardCaptionsConfig, hard_captions_loss
from model.losses.identity import IdentityConfig, IdentityLoss
from model.losses.itc import ItcConfig, itc_loss
from model.losses.sdm import SdmConfig, sdm_loss
from model.losses.tal import TalConfig, tal_loss
from model.losses.triplet import TripletConfig, triplet_loss

LossConfig = Annotated[
    SdmConfig
    | CmpmConfig
    | ItcConfig
    | TripletConfig
    | TalConfig
    | HardCaptionsConfig
    | IdentityConfig
    | AttributesConfig
    | BalanceConfig,
    Field(discriminator="kind"),
]


class TrainingFeatures(Protocol):
    """What the losses are computed from: the encoder's features of a batch, its own loss, and, where they are
    trained on, swapped captions."""

    @property
    def image(self) -> torch.Tensor:
        """(batch, width), un-normalised."""

    @property
    def text(self) -> torch.Tensor:
        """(batch, width), un-normalised."""

    @property
    def auxiliary(self) -> torch.Tensor:
        """The adapter's own loss before its weight; zero if it has none."""

    @property
    def hard_text(self) -> torch.Tensor | None:
        """(batch, width), un-normalised: each caption with a word swapped; rows without one hold anything."""

    @property
    def hard_known(self) -> torch.Tensor | None:
        """(batch,) bool: which rows have a swapped caption."""


@dataclass(frozen=True)
class AttributeLabels:
    """Classes seen in the pictures and named in the sentences: (batch, attributes) int64, -1 = unknown."""

    image: torch.Tensor
    text: torch.Tensor


class Losses(nn.Module):
    """The weighted sum of the configured losses; holds what they train (classifiers), if anything.

    `identities` is the number of training identities (needed by the identity loss only). Raises ValueError
    where a kind is given twice or lacks what it needs.
    """

    def __init__(self, configs: Sequence[LossConfig], embed_dim: int, identities: int | None = None) -> None:
        super().__init__()
        kinds = [config.kind for config in configs]
        if not kinds or len(set(kinds)) != len(kinds):
            raise ValueError(f"losses must be given, each kind once; got {kinds}")
        self.configs = tuple(configs)
        self.heads = nn.ModuleDict()
        for config in configs:
            if config.kind == "identity":
                if identities is None:
                    raise ValueError("the identity loss needs the number of training identities")
                self.heads["identity"] = IdentityLoss(embed_dim, identities)
            elif config.kind == "attributes":
                self.heads["attributes"] = AttributeLoss(embed_dim, config.classes)

    def forward(
        self,
        features: TrainingFeatures,
        identities: torch.Tensor,
        attributes: AttributeLabels | None = None,
        confidence: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The total and its weighted parts by kind, which add up to it; float32 even under autocast.

        `confidence` (batch,) in 0 .. 1 says how far each pair is trusted; `sdm` and `tal` weigh rows by it.
        """
        parts: dict[str, torch.Tensor] = {
            config.kind: config.weight * self._part(config, features, identities, attributes, confidence)
            for config in self.configs
        }
        return torch.stack(list(parts.values())).sum(), parts

    def _part(
        self,
        config: LossConfig,
        features: TrainingFeatures,
        identities: torch.Tensor,
        attributes: AttributeLabels | None,
        confidence: torch.Tensor | None,
    ) -> torch.Tensor:
        image, text = features.image, features.text
        match config:
            case SdmConfig():
                loss = sdm_loss(image, text, identities, config.scale, confidence)
            case CmpmConfig():
                loss = cmpm_loss(image, text, identities)
            case ItcConfig():
                loss = itc_loss(image, text, config.scale)
            case TripletConfig():
                loss = triplet_loss(image, text, identities, config.margin)
            case TalConfig():
                loss = tal_loss(image, text, identities, config.margin, config.temperature, confidence)
            case HardCaptionsConfig():
                if features.hard_text is None or features.hard_known is None:
                    raise ValueError("the hard_captions loss needs swapped captions in every batch")
                loss = hard_captions_loss(image, text, features.hard_text, features.hard_known, config.scale)
            case IdentityConfig():
                loss = self.heads["identity"](image, text, identities)
            case AttributesConfig():
                if attributes is None:
                    raise ValueError("the attributes loss needs attribute labels in every batch")
                loss = self.heads["attributes"](image, text, attributes.image, attributes.text)
            case BalanceConfig():
                loss = features.auxiliary.float()
        return loss
