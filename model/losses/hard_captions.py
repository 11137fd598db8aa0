"""A caption against itself with one attribute word swapped.

An image must prefer its own caption to one that differs in a single colour, garment or bag: cross-entropy
over the two. Other people's captions, different in everything, do not teach that (after the hard negatives of
Yuksekgonul et al., "When and Why Vision-Language Models Behave like Bags-of-Words, and What to Do About It?",
ICLR 2023). The swapped captions come from `model.training.hard_captions`.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from model.losses.precision import unit_rows, without_autocast


class HardCaptionsConfig(BaseModel):
    """Own caption against swapped caption; `scale` is the inverse temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["hard_captions"] = "hard_captions"
    weight: float = Field(default=1.0, ge=0)
    scale: float = Field(default=50.0, gt=0)


def hard_captions_loss(
    image: torch.Tensor,
    text: torch.Tensor,
    hard_text: torch.Tensor,
    hard_known: torch.Tensor,
    scale: float = 50.0,
) -> torch.Tensor:
    """Mean over the rows that have a swapped caption of -log softmax(scale cos)(own), over own and swapped.

    `image`, `text`, `hard_text` (batch, width) un-normalised; `hard_known` (batch,) bool marks the rows whose
    `hard_text` counts. Scalar; zero if there are none. Raises ValueError for masks of another shape or type.
    """
    if hard_known.dtype != torch.bool or hard_known.shape != image.shape[:1]:
        raise ValueError(f"hard_known is {hard_known.dtype} {tuple(hard_known.shape)}, not bool, one a row")
    with without_autocast(image):
        pictures = unit_rows(image[hard_known])
        own = (pictures * unit_rows(text[hard_known])).sum(dim=1)
        swapped = (pictures * unit_rows(hard_text[hard_known])).sum(dim=1)
        return F.softplus(scale * (swapped - own)).sum() / max(len(pictures), 1)
