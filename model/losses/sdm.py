"""Similarity distribution matching, and cross-modal projection matching from which it was derived.

SDM: Jiang and Ye, "Cross-Modal Implicit Relation Reasoning and Aligning for Text-to-Image Person
Retrieval", CVPR 2023: with p the softmax over scaled cosine similarities of a row and q the matching
identities of that row divided by their number, the loss is sum p (log p - log(q + eps)), a Kullback-Leibler
divergence with the prediction first, averaged over rows and added over both directions. CSKT and DM-Adapter
train with it. CMPM: Zhang and Lu, "Deep Cross-Modal Projection Learning for Image-Text Matching", ECCV
2018: the same divergence without scale, of raw features projected on normalised ones.
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, unit_rows, widened, without_autocast

EPSILON = 1e-8
"""Keeps log(q) finite where two rows show different people; stands inside the logarithm only."""


class SdmConfig(BaseModel):
    """Similarity distribution matching; `scale` is the inverse temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["sdm"] = "sdm"
    weight: float = Field(default=1.0, ge=0)
    scale: float = Field(default=50.0, gt=0)


def sdm_loss(
    image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor, scale: float = 50.0
) -> torch.Tensor:
    """Similarity distribution matching, both directions added.

    `image`, `text` (batch, width) un-normalised, row i of both showing `identities[i]` (batch,). Scalar.
    """
    with without_autocast(image):
        cosine = unit_rows(text) @ unit_rows(image).T
        same = same_identity(identities).to(cosine.dtype)
        target = same / same.sum(dim=1, keepdim=True)
        return _divergence(scale * cosine.T, target) + _divergence(scale * cosine, target)


def cmpm_loss(image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor) -> torch.Tensor:
    """Cross-modal projection matching, both directions added.

    Arguments as for `sdm_loss`. The target rows are divided by their Euclidean length, as published.
    """
    with without_autocast(image):
        same = same_identity(identities).to(widened(image).dtype)
        target = same / same.norm(dim=1, keepdim=True)
        image_to_text = widened(image) @ unit_rows(text).T
        text_to_image = widened(text) @ unit_rows(image).T
        return _divergence(image_to_text, target) + _divergence(text_to_image, target)


def _divergence(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over rows of sum p (log p - log(q + eps)), p = softmax(logits)."""
    log_prediction = torch.log_softmax(logits, dim=1)
    terms = log_prediction.exp() * (log_prediction - torch.log(target + EPSILON))
    return terms.sum(dim=1).mean()
