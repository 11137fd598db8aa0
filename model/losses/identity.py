"""Identity classification shared by both sides.

Zheng et al., "Dual-Path Convolutional Image-Text Embeddings with Instance Loss", ACM TOMM 2020: (-log
p(identity | image) - log p(identity | text)) / 2 under one classifier, which makes the two sides meet. The
classifier is trained and then thrown away.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from model.losses.precision import widened, without_autocast


class IdentityConfig(BaseModel):
    """Identity classification; the number of training identities comes from the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["identity"] = "identity"
    weight: float = Field(default=1.0, ge=0)


class IdentityLoss(nn.Module):
    """Mean of the image's and the text's cross-entropy under one linear classifier of `identities` people."""

    def __init__(self, embed_dim: int, identities: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(embed_dim, identities)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor) -> torch.Tensor:
        """`image`, `text` (batch, embed_dim) un-normalised, `identities` (batch,) in 0 .. n-1. Scalar."""
        with without_autocast(image):
            image_loss = F.cross_entropy(self.classifier(widened(image)), identities)
            text_loss = F.cross_entropy(self.classifier(widened(text)), identities)
            return (image_loss + text_loss) / 2

    @torch.no_grad()
    def accuracy(
        self, image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor
    ) -> tuple[float, float]:
        """Fraction (0 .. 1) of images and of texts that the classifier gives to the right person."""
        with without_autocast(image):
            image_hits = self.classifier(widened(image)).argmax(dim=1) == identities
            text_hits = self.classifier(widened(text)).argmax(dim=1) == identities
        return float(image_hits.float().mean()), float(text_hits.float().mean())
