"""The features of a batch, computed whole or in parts, and the gradient of a loss over all of them.

A contrastive loss needs the whole batch at once, while memory may hold only some rows' activations. So the
features are computed first without keeping activations, the loss gives their gradients, and the parts are
computed a second time to carry those gradients on (Gao et al., "Scaling Deep Contrastive Learning Batch Size
under Memory Limited Setup", RepL4NLP 2021). The result is that of the whole batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from model.adapters.adapter import RouterLoad
from model.encoder import Features, stacked


@dataclass(frozen=True)
class BatchFeatures(Features):
    """What the losses are computed from: features and, if asked for, `hard_text` (batch, width).

    `hard_known` (batch,), which captions were swapped, is known for whole batches only.
    """

    hard_text: torch.Tensor | None = None
    hard_known: torch.Tensor | None = None

    def carriers(self) -> list[torch.Tensor]:
        """The tensors through which a gradient goes back to the encoder."""
        found = [self.image, self.text]
        if self.hard_text is not None:
            found.append(self.hard_text)
        if self.load is not None:
            found.append(self.load.probability)
        return found


def joined(parts: Sequence[BatchFeatures]) -> BatchFeatures:
    """The features of several parts of a batch as those of the whole: rows in order, loads by tokens."""
    if len(parts) == 1:
        return parts[0]
    hard = [part.hard_text for part in parts if part.hard_text is not None]
    return BatchFeatures(
        image=torch.cat([part.image for part in parts]),
        text=torch.cat([part.text for part in parts]),
        load=_joined_loads([part.load for part in parts if part.load is not None]),
        hard_text=torch.cat(hard) if hard else None,
    )


def compute_in_parts(
    compute: Callable[[slice], BatchFeatures],
    parts: Sequence[slice],
    finish: Callable[[BatchFeatures], torch.Tensor],
) -> None:
    """Backward through `finish(features of all rows)`, a scalar, with only one part's activations at a time.

    `compute` gives the features of some rows; it is called once a part if there is one part, else twice.
    """
    if len(parts) == 1:
        finish(compute(parts[0])).backward()  # type: ignore[no-untyped-call]
        return
    with torch.no_grad():
        known = [_leaf(compute(rows)) for rows in parts]
    finish(joined(known)).backward()  # type: ignore[no-untyped-call]
    for rows, leaf in zip(parts, known, strict=True):
        pairs = [
            (tensor, carrier.grad)
            for tensor, carrier in zip(compute(rows).carriers(), leaf.carriers(), strict=True)
            if tensor.requires_grad and carrier.grad is not None
        ]
        torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])


def split_rows(rows: int, at_once: int | None) -> list[slice]:
    """`rows` in parts of at most `at_once` (None: all at once)."""
    size = at_once or max(rows, 1)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _leaf(features: BatchFeatures) -> BatchFeatures:
    load = features.load
    return replace(
        features,
        image=features.image.detach().requires_grad_(),
        text=features.text.detach().requires_grad_(),
        hard_text=None if features.hard_text is None else features.hard_text.detach().requires_grad_(),
        load=None if load is None else replace(load, probability=load.probability.detach().requires_grad_()),
    )


def _joined_loads(loads: Sequence[RouterLoad]) -> RouterLoad | None:
    parts = stacked(loads)
    if parts is None:
        return None
    total = parts.tokens.sum(dim=0)
    weights = (parts.tokens / total).unsqueeze(-1)
    return RouterLoad(
        probability=(weights * parts.probability).sum(dim=0),
        share=(weights * parts.share).sum(dim=0),
        tokens=total,
    )
