"""What the losses share: float32 even under autocast, rows of unit length, who is whom, means over rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

LEAST_TRUST = 1e-8
"""Keeps the mean finite in a batch that nobody trusts, which then counts nothing."""


@contextmanager
def without_autocast(tensor: torch.Tensor) -> Iterator[None]:
    """Switch autocast off on the tensor's device for the duration of the block."""
    with torch.autocast(device_type=tensor.device.type, enabled=False):
        yield


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """float16 and bfloat16 become float32; float32 and float64 stay as they are."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def unit_rows(features: torch.Tensor) -> torch.Tensor:
    """(batch, width) with every row divided by its length; no epsilon, as the published losses have none."""
    wide = widened(features)
    length: torch.Tensor = torch.linalg.vector_norm(wide, dim=1, keepdim=True)
    return wide / length


def same_identity(identities: torch.Tensor) -> torch.Tensor:
    """(batch,) identities -> (batch, batch) bool, True where two rows show the same person."""
    column = identities.reshape(-1, 1)
    return column == column.T


def trusted_mean(losses: torch.Tensor, confidence: torch.Tensor | None) -> torch.Tensor:
    """The mean of `losses` (rows,), each row weighing its `confidence` (rows,) in 0 .. 1; None is all ones.

    Raises ValueError if there are not as many weights as rows.
    """
    weights = torch.ones_like(losses) if confidence is None else confidence.to(losses)
    if weights.shape != losses.shape:
        raise ValueError(f"{tuple(weights.shape)} confidences for {tuple(losses.shape)} losses")
    return (weights * losses).sum() / weights.sum().clamp(min=LEAST_TRUST)
