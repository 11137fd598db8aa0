"""Image-text contrast, CLIP's symmetric InfoNCE.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, figure 3:
-log softmax(scale cos)_ii, averaged over rows and both directions. Row i of one side must find row i of the
other; identities play no part.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import unit_rows, without_autocast


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
