"""From simulated galleries to a likelihood, and how well it holds for people it has not seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.matching.calibration import RATES, Level, SizeReport
from model.matching.episodes import Episodes
from model.matching.likelihood import Floats, Likelihood

FITTED = 5
"""Hits of each question that the likelihood is fitted to."""

BINS = 15
"""Of the expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", 2017, eq. 3)."""

Z95 = 1.645
"""One-sided."""

_STEPS, _RIDGE, _STILL, _SURE = 100, 1e-6, 1e-10, 30.0

Flags = NDArray[np.bool_]


def fit(episodes: Sequence[Episodes]) -> Likelihood:
    """The likelihood that explains best which of the first hits are right."""
    evidence = np.concatenate([one.evidence[:, :FITTED].reshape(-1, 4) for one in episodes])
    right = np.concatenate([one.right[:, :FITTED].ravel() for one in episodes])
    intercept, *weights = fit_logistic(evidence, right).tolist()
    cosine, standing, tail, passages = weights
    return Likelihood(intercept=intercept, cosine=cosine, standing=standing, tail=tail, passages=passages)


def fit_logistic(features: Floats, labels: Flags) -> Floats:
    """Weights (1 + features,), the constant first, of logistic regression by Newton's method.

    A trace of ridge on standardised features keeps it finite where the labels can be told apart.
    """
    mean, deviation = features.mean(0), np.maximum(features.std(0), 1e-12)
    design = np.column_stack([np.ones(len(features)), (features - mean) / deviation])
    weights = np.zeros(design.shape[1])
    ridge = _RIDGE * len(design) * np.eye(len(weights))
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -_SURE, _SURE)))
        gradient = design.T @ (p - labels) + ridge @ weights
        curvature = (design * (p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < _STILL:
            break
    slopes = weights[1:] / deviation
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def calibration_error(probabilities: Floats, right: Flags) -> float:
    """The expected calibration error: how far a probability is from the share that is right, over BINS."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = [
        abs(probabilities[bins == place].mean() - right[bins == place].mean()) * (bins == place).mean()
        for place in np.unique(bins)
    ]
    return float(sum(gaps))


def thresholds(likelihood: Likelihood, episodes: Episodes) -> dict[float, float]:
    """For each rate the least probability that a best hit must have, so that of the questions for people who
    are not there no more find one, with 95 % confidence."""
    best = np.sort(likelihood.probability(episodes.evidence[~episodes.present, 0]))[::-1]
    return {rate: _threshold(best, rate) for rate in RATES}


def _threshold(best: Floats, rate: float) -> float:
    """Just above the first of the falling `best` that may not pass; 1 where not one alarm may be risked."""
    allowed = [count for count in range(len(best)) if upper_bound(count, len(best)) <= rate]
    return float(np.nextafter(best[allowed[-1]], 1)) if allowed else 1.0


def upper_bound(count: int, of: int) -> float:
    """The upper end of Wilson's interval of a share, 95 % one-sided."""
    share, square = count / of, Z95**2 / of
    middle = share + square / 2
    spread = Z95 * np.sqrt(share * (1 - share) / of + square / (4 * of))
    return float((middle + spread) / (1 + square))


def report(likelihood: Likelihood, limits: dict[float, float], held_out: Episodes) -> SizeReport:
    """What likelihood and thresholds do for people they have not seen."""
    best = likelihood.probability(held_out.evidence[:, 0])
    right, present = held_out.right[:, 0], held_out.present
    levels = tuple(
        Level(
            rate=rate,
            threshold=limit,
            false_alarms=float((best[~present] >= limit).mean()),
            detected=float((right & (best >= limit))[present].mean()),
            mistaken=float((~right & (best >= limit))[present].mean()),
        )
        for rate, limit in limits.items()
    )
    return SizeReport(
        passages=held_out.passages,
        questions=len(best),
        r1=float(right[present].mean()),
        calibration_error=calibration_error(best, right),
        levels=levels,
    )
