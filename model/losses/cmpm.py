"""Cross-modal projection matching, from which SDM was derived.

Zhang and Lu, "Deep Cross-Modal Projection Learning for Image-Text Matching", ECCV 2018: SDM's divergence
without scale, of raw features projected on normalised ones.
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, unit_rows, widened, without_autocast
from model.losses.sdm import divergences


class CmpmConfig(BaseModel):
    """Cross-modal projection matching; it has no temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["cmpm"] = "cmpm"
    weight: float = Field(default=1.0, ge=0)


def cmpm_loss(image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor) -> torch.Tensor:
    """Mean over rows, both directions added; `image`, `text` (batch, width), `identities` (batch,). Scalar.

    The target rows are divided by their Euclidean length, as published, not by their sum.
    """
    with without_autocast(image):
        same = same_identity(identities).to(widened(image).dtype)
        target = same / same.norm(dim=1, keepdim=True)
        image_to_text = widened(image) @ unit_rows(text).T
        text_to_image = widened(text) @ unit_rows(image).T
        return divergences(image_to_text, target).mean() + divergences(text_to_image, target).mean()
