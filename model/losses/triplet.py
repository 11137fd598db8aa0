"""The triplet margin loss on the nearest negative.

After Faghri et al., "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives", BMVC 2018, with
Euclidean distances: max(0, margin + d(positive) - d(negative)), averaged over rows, both directions added.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, widened, without_autocast


class TripletConfig(BaseModel):
    """Triplet margin loss; `margin` is in the features' own unit of length."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["triplet"] = "triplet"
    weight: float = Field(default=1.0, ge=0)
    margin: float = Field(default=1.0, gt=0)


def triplet_loss(
    image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor, margin: float = 1.0
) -> torch.Tensor:
    """Hinge on Euclidean distances of raw features with the nearest negative, both directions added.

    `image`, `text` (batch, width), `identities` (batch,). Scalar. The positive is the paired row, the
    negative the nearest row of another identity. Zero if the batch shows one identity only.
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
