"""Attribute classification for pre-training: garments and their colours, read from image and text alike.

One linear head per attribute is shared by both sides (after of Lin et al., "Improving Person
Re-identification by Attribute and Identity Learning", Pattern Recognition 2019): the loss is the mean over
the attributes of -log p(label), averaged over both sides. The heads are trained and then thrown away: they
never reach a served checkpoint.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from model.losses.precision import widened, without_autocast

UNKNOWN = -1
"""The label of an attribute that a picture does not show or a sentence does not mention."""


class AttributesConfig(BaseModel):
    """Attribute classification; `classes`: each attribute's number of classes, in label-column order."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["attributes"] = "attributes"
    weight: float = Field(default=1.0, ge=0)
    classes: dict[str, int] = Field(min_length=1)


class AttributeLoss(nn.Module):
    """Mean cross-entropy over attributes and over the two sides, known labels only."""

    def __init__(self, embed_dim: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        if not classes:
            raise ValueError("AttributeLoss needs at least one attribute")
        self.heads = nn.ModuleDict({name: nn.Linear(embed_dim, count) for name, count in classes.items()})

    def forward(
        self,
        image: torch.Tensor,
        text: torch.Tensor,
        image_labels: torch.Tensor,
        text_labels: torch.Tensor,
    ) -> torch.Tensor:
        """`image`, `text` (batch, embed_dim) un-normalised; labels (batch, attributes) int64, -1 = unknown.

        Labels of the two sides differ: a sentence leaves facts out. An attribute nobody knows counts as zero.
        """
        with without_autocast(image):
            return (self._side(widened(image), image_labels) + self._side(widened(text), text_labels)) / 2

    def _side(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if labels.shape != (len(features), len(self.heads)):
            raise ValueError(f"labels are {tuple(labels.shape)}, not {(len(features), len(self.heads))}")
        total = features.sum() * 0
        for column, head in enumerate(self.heads.values()):
            known = labels[:, column] != UNKNOWN
            summed = F.cross_entropy(head(features), labels[:, column], ignore_index=UNKNOWN, reduction="sum")
            total = total + summed / known.sum().clamp(min=1)
        return total / len(self.heads)
