"""Similarity distribution matching.

Jiang and Ye, "Cross-Modal Implicit Relation Reasoning and Aligning for Text-to-Image Person Retrieval", CVPR
2023: with p the softmax over scaled cosine similarities of a row and q the matching identities of that row
divided by their number, the loss is sum p (log p - log(q + eps)), a Kullback-Leibler divergence with the
prediction first, averaged over rows and added over both directions. CSKT and DM-Adapter train with it.
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, trusted_mean, unit_rows, without_autocast

EPSILON = 1e-8
"""Keeps log(q) finite where two rows show different people; stands inside the logarithm only."""


class SdmConfig(BaseModel):
    """Similarity distribution matching; `scale` is the inverse temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["sdm"] = "sdm"
    weight: float = Field(default=1.0, ge=0)
    scale: float = Field(default=50.0, gt=0)


def sdm_loss(
    image: torch.Tensor,
    text: torch.Tensor,
    identities: torch.Tensor,
    scale: float = 50.0,
    confidence: torch.Tensor | None = None,
) -> torch.Tensor:
    """Similarity distribution matching, both directions added.

    `image`, `text` (batch, width) un-normalised, row i of both showing `identities[i]` (batch,);
    `confidence` (batch,) in 0 .. 1 weighs the rows, None all alike. Scalar.
    """
    with without_autocast(image):
        image_to_text, text_to_image = _directions(image, text, identities, scale)
        return trusted_mean(image_to_text, confidence) + trusted_mean(text_to_image, confidence)


def divergences(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """sum p (log p - log(q + eps)) of every row, p = softmax(logits): (rows, columns) twice -> (rows,)."""
    log_prediction = torch.log_softmax(logits, dim=1)
    terms = log_prediction.exp() * (log_prediction - torch.log(target + EPSILON))
    return terms.sum(dim=1)


def _directions(
    image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image to text and text to image, (batch,) each."""
    cosine = unit_rows(text) @ unit_rows(image).T
    same = same_identity(identities).to(cosine.dtype)
    target = same / same.sum(dim=1, keepdim=True)
    return divergences(scale * cosine.T, target), divergences(scale * cosine, target)
