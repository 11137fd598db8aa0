"""Image-text contrast, and the triplet margin loss.

ITC is CLIP's symmetric InfoNCE (Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021, figure 3): -log softmax(scale cos)_ii, averaged over rows and both directions. Row
i of one side must find row i of the other; identities play no part.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, unit_rows, widened, without_autocast


class ItcConfig(BaseModel):
    """Image-text contrast; `scale` is the inverse temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["itc"] = "itc"
    weight: float = Field(default=1.0, ge=0)
    scale: float = Field(default=50.0, gt=0)


def itc_loss(image: torch.Tensor, text: torch.Tensor, scale: float = 50.0) -> torch.Tensor:
    """Mean of the two cross-entropies over cosine similarities; `image`, `text` (batch, width). Scalar."""
    with without_autocast(image):
        logits = scale * unit_rows(image) @ unit_rows(text).T
        target = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def triplet_loss(
    image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor, margin: float = 1.0
) -> torch.Tensor:
    """Hinge on Euclidean distances of raw features with the nearest negative, both directions added.

    max(0, margin + d(positive) - d(negative)), averaged over rows: the positive is the paired row, the
    negative the nearest row of another identity (after Faghri et al., "VSE++", BMVC 2018). Zero if the
    batch shows one identity only.
    """
    with without_autocast(image):
        distance = torch.cdist(widened(image), widened(text), compute_mode="donot_use_mm_for_euclid_dist")
        other = ~same_identity(identities)
        if not bool(other.any()):
            return distance.sum() * 0
        positive = distance.diagonal()
        wrong = distance.masked_fill(~other, torch.inf)
        image_to_text = F.relu(margin + positive - wrong.min(dim=1).values).mean()
        text_to_image = F.relu(margin + positive - wrong.min(dim=0).values).mean()
        return image_to_text + text_to_image
