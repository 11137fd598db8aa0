"""The Triplet Alignment Loss, which bears wrong pairs better than a hardest-negative triplet loss.

Qin et al., "Noisy-Correspondence Learning for Text-to-Image Person Re-identification", CVPR 2024 (RDE): with
S the cosine similarities, m the margin and tau the temperature, image i costs

    [m - S+_i + tau log sum_j q_ij exp(S_ij / tau)]_+ ,   S+_i = sum_j alpha_ij S_ij

where q_ij is 1 for the texts of other people, else 0, and alpha the softmax of S / tau over the texts of the
same person; texts cost the same over images. The log-sum bounds the hardest negative from above and spreads
its gradient over all hard ones, so that a few wrong pairs do not decide. The paper adds rows up; here they
are averaged, as in the other losses, so that the weight does not depend on the batch size.

alpha is held constant: it says how much each positive counts. With a gradient through it a positive would be
pushed away where it lies more than tau below S+, for then dS+/dS_j = alpha_j (1 + (S_j - S+) / tau) < 0.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import same_identity, trusted_mean, unit_rows, without_autocast


class TalConfig(BaseModel):
    """Triplet Alignment Loss; margin and temperature are in cosine, as published."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["tal"] = "tal"
    weight: float = Field(default=1.0, ge=0)
    margin: float = Field(default=0.1, ge=0)
    temperature: float = Field(default=0.015, gt=0)


def tal_loss(
    image: torch.Tensor,
    text: torch.Tensor,
    identities: torch.Tensor,
    margin: float = 0.1,
    temperature: float = 0.015,
    confidence: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over rows, both directions added.

    `image`, `text` (batch, width) un-normalised, row i of both showing `identities[i]` (batch,);
    `confidence` (batch,) in 0 .. 1 weighs the rows, None all alike. Scalar; zero if the batch shows one
    identity only.
    """
    with without_autocast(image):
        cosine = unit_rows(image) @ unit_rows(text).T
        same = same_identity(identities)
        if bool(same.all()):
            return cosine.sum() * 0
        image_to_text = trusted_mean(_rows(cosine, same, margin, temperature), confidence)
        return image_to_text + trusted_mean(_rows(cosine.T, same, margin, temperature), confidence)


def _rows(cosine: torch.Tensor, same: torch.Tensor, margin: float, temperature: float) -> torch.Tensor:
    """The cost of each row: (batch, batch) -> (batch,)."""
    logits = cosine / temperature
    share = logits.detach().masked_fill(~same, -torch.inf).softmax(dim=1)
    positive = (share * cosine).sum(dim=1)
    hardest = temperature * logits.masked_fill(same, -torch.inf).logsumexp(dim=1)
    return F.relu(margin - positive + hardest)
