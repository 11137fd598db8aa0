"""Every training loss by its `kind`, and their weighted sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import nn

from model.losses.attributes import AttributeLoss, AttributesConfig
from model.losses.balance import BalanceConfig
from model.losses.identity import IdentityConfig, IdentityLoss
from model.losses.itc import ItcConfig, itc_loss
from model.losses.sdm import SdmConfig, sdm_loss

LossConfig = Annotated[
    SdmConfig | ItcConfig | IdentityConfig | AttributesConfig | BalanceConfig, Field(discriminator="kind")
]


class TrainingFeatures(Protocol):
    """What the encoder returns for a batch: `image`, `text` (batch, width) and the scalar `auxiliary`."""

    @property
    def image(self) -> torch.Tensor:
        """(batch, width), un-normalised."""

    @property
    def text(self) -> torch.Tensor:
        """(batch, width), un-normalised."""

    @property
    def auxiliary(self) -> torch.Tensor:
        """The adapter's own loss before its weight; zero if it has none."""


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
        self, features: TrainingFeatures, identities: torch.Tensor, attributes: AttributeLabels | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The total and its weighted parts by kind, which add up to it; float32 even under autocast."""
        parts: dict[str, torch.Tensor] = {
            config.kind: config.weight * self._part(config, features, identities, attributes)
            for config in self.configs
        }
        return torch.stack(list(parts.values())).sum(), parts

    def _part(
        self,
        config: LossConfig,
        features: TrainingFeatures,
        identities: torch.Tensor,
        attributes: AttributeLabels | None,
    ) -> torch.Tensor:
        image, text = features.image, features.text
        match config:
            case SdmConfig():
                loss = sdm_loss(image, text, identities, config.scale)
            case ItcConfig():
                loss = itc_loss(image, text, config.scale)
            case IdentityConfig():
                loss = self.heads["identity"](image, text, identities)
            case AttributesConfig():
                if attributes is None:
                    raise ValueError("the attributes loss needs attribute labels in every batch")
                loss = self.heads["attributes"](image, text, attributes.image, attributes.text)
            case BalanceConfig():
                loss = features.auxiliary.float()
        return loss
