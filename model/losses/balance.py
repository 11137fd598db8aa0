"""The weight of an adapter's own auxiliary loss.

DM-Adapter's routers return a load-balance term: the sum over experts of mean probability times share of
tokens, summed over blocks and towers (after Fedus et al., "Switch Transformers", JMLR 2022). The encoder
computes it, this entry says how much it counts.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BalanceConfig(BaseModel):
    """Adds `weight` times the encoder's auxiliary loss; the papers use 0.5."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["balance"] = "balance"
    weight: float = Field(default=0.5, ge=0)
