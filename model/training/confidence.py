"""How far each training pair is trusted: captions that lost their image cost more than the others.

After the confident consensus division of Qin et al., "Noisy-Correspondence Learning for Text-to-Image Person
Re-identification", CVPR 2024 (RDE): a network learns true pairs before wrong ones, so a mixture of two
Gaussians, fitted to the losses of all pairs brought to 0 .. 1, tells them apart, and a pair's confidence is
the probability of the component of low loss. RDE divides by the losses of two branches, trusts the pairs on
which both agree and judges the others anew; here is one branch, and the probability itself is the weight.

A mixture can always be fitted, wrong pairs or none. Every pair is trusted in full unless the components stand
apart: their means by more than `SEPARATION` times the root of their mean variance (after Ashman, Bird and
Zepf, "Detecting bimodality in astronomical datasets", AJ 1994, who ask for 2: what has a single hump stays
below), and each with at least `LEAST_SHARE` of the pairs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from model.errors import CheckpointError
from model.losses.precision import same_identity, unit_rows, without_autocast

SEPARATION = 2.0
LEAST_SHARE = 0.01
LEAST_VARIANCE = 1e-4
"""Of losses in 0 .. 1: a component is never narrower than a hundredth of their range."""
MAX_ROUNDS = 300
TOLERANCE = 1e-7
"""Gain in mean log-likelihood per round below which the fit has settled."""

Floats = npt.NDArray[np.float64]


@torch.no_grad()
def pair_losses(
    image: torch.Tensor, text: torch.Tensor, identities: torch.Tensor, scale: float = 50.0
) -> torch.Tensor:
    """How badly the two sides of each row fit: -log p(own identity), both directions added, (batch,) float32.

    `image`, `text` (batch, width) un-normalised, `identities` (batch,); p is the softmax over scaled cosines.
    SDM's own rows level off where the prediction is wrong, and so tell a hard pair from a wrong one badly.
    """
    with without_autocast(image):
        logits = scale * unit_rows(image) @ unit_rows(text).T
        other = ~same_identity(identities)
        directions = (torch.log_softmax(side, dim=1) for side in (logits, logits.T))
        found = [side.masked_fill(other, -torch.inf).logsumexp(dim=1) for side in directions]
        return -(found[0] + found[1]).float()


class Mixture(NamedTuple):
    """Two Gaussians, the one with the lower mean first: (2,) each; `shares` add up to one."""

    means: Floats
    variances: Floats
    shares: Floats


class ConfidenceRecord:
    """The last loss of each training caption, and the confidence in it, in 0 .. 1.

    `samples` is the number of training captions; the first `warm_epochs` epochs trust every pair (at least
    the first does, since there are no losses yet).
    """

    def __init__(self, samples: int, warm_epochs: int) -> None:
        self.warm_epochs = warm_epochs
        self.losses = torch.full((samples,), torch.nan)
        self.confidence = torch.ones(samples)

    def note(self, indices: torch.Tensor, losses: torch.Tensor) -> None:
        """Keep the losses (n,) of the captions `indices` (n,); of a caption given twice, the last."""
        self.losses.numpy()[indices.cpu().numpy()] = losses.detach().float().cpu().numpy()

    def divide(self, epoch: int) -> None:
        """Judge all pairs by their last losses, when `epoch` epochs are done.

        A pair without a finite loss is trusted in full, as all are in the warm epochs.
        """
        self.confidence.fill_(1)
        if epoch < self.warm_epochs:
            return
        known = self.losses.isfinite()
        judged = probability_of_low(self.losses[known].double().numpy())
        self.confidence[known] = torch.from_numpy(judged).float()

    def of(self, indices: torch.Tensor) -> torch.Tensor:
        """The confidence in the captions `indices` (n,): (n,) float32 in memory of the CPU."""
        return self.confidence[indices.cpu()]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Everything that the next batches depend on."""
        return {"losses": self.losses.clone(), "confidence": self.confidence.clone()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take up a kept state. Raises CheckpointError if it is of another number of captions."""
        for name, own in (("losses", self.losses), ("confidence", self.confidence)):
            if state[name].shape != own.shape:
                raise CheckpointError(
                    f"The kept run knows {len(state[name])} training captions and the data set has "
                    f"{len(own)}; it has changed since, so start a new run in another folder."
                )
            own.copy_(state[name])


def probability_of_low(losses: Floats) -> Floats:
    """The probability (n,) that each of `losses` (n,) belongs to the lower of two components; all ones where
    there are no two (see the module).

    Losses beyond a component's mean count as that mean, so that a lower loss never means less probability,
    however narrow the lower component is.
    """
    everyone = np.ones(len(losses))
    if len(losses) == 0 or np.ptp(losses) == 0:
        return everyone
    scaled = (losses - losses.min()) / np.ptp(losses)
    mixture = fit_mixture(scaled)
    distance = np.ptp(mixture.means) / np.sqrt(mixture.variances.mean())
    if distance < SEPARATION or mixture.shares.min() < LEAST_SHARE:
        return everyone
    logs = _log_densities(mixture, scaled.clip(*mixture.means))
    return np.asarray(np.exp(logs[:, 0] - np.logaddexp(logs[:, 0], logs[:, 1])))


def fit_mixture(values: Floats) -> Mixture:
    """Two Gaussians of greatest likelihood for `values` (n,) in 0 .. 1, by expectation maximisation.

    Starts from both ends of the range, so the same values give the same mixture.
    """
    mixture = Mixture(np.array([0.0, 1.0]), np.full(2, max(values.var(), LEAST_VARIANCE)), np.full(2, 0.5))
    likelihood = -np.inf
    for _ in range(MAX_ROUNDS):
        logs = _log_densities(mixture, values)
        total = np.logaddexp(logs[:, 0], logs[:, 1])
        if total.mean() - likelihood < TOLERANCE:
            break
        likelihood = total.mean()
        mixture = _maximised(values, np.exp(logs - total[:, None]))
    order = np.argsort(mixture.means)
    return Mixture(*(part[order] for part in mixture))


def _maximised(values: Floats, belonging: Floats) -> Mixture:
    """The mixture of greatest likelihood when value i belongs to component k by `belonging[i, k]`."""
    count = belonging.sum(axis=0).clip(min=np.finfo(float).tiny)
    means = (belonging * values[:, None]).sum(axis=0) / count
    variances = (belonging * (values[:, None] - means) ** 2).sum(axis=0) / count
    return Mixture(means, variances.clip(min=LEAST_VARIANCE), count / len(values))


def _log_densities(mixture: Mixture, values: Floats) -> Floats:
    """log(share * density) of each value under each component: (n, 2)."""
    spread = (values[:, None] - mixture.means) ** 2 / mixture.variances
    return np.asarray(np.log(mixture.shares) - (spread + np.log(2 * np.pi * mixture.variances)) / 2)
