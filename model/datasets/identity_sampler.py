"""Batches of P people with K captions each (Hermans et al., "In Defense of the Triplet Loss", 2017)."""

import random
from collections.abc import Sequence

import numpy as np


def identity_order(identities: Sequence[int], batch_size: int, per_identity: int, seed: int) -> list[int]:
    """Sample indices of one epoch; each run of `batch_size` holds batch_size // per_identity people.

    People with fewer samples than `per_identity` are filled up by repetition; what does not fill a group is
    left out, as are the last people when too few remain for a batch. Raises ValueError if a batch holds
    nobody.
    """
    people = batch_size // per_identity
    if people < 1:
        raise ValueError(f"a batch of {batch_size} holds no group of {per_identity}")
    chooser, filler = random.Random(seed), np.random.RandomState(seed)
    groups = {
        identity: _groups(indices, per_identity, chooser, filler)
        for identity, indices in _by_identity(identities).items()
    }
    remaining, order = list(groups), list[int]()
    while len(remaining) >= people:
        for identity in chooser.sample(remaining, people):
            order += groups[identity].pop(0)
            if not groups[identity]:
                remaining.remove(identity)
    return order


def _by_identity(identities: Sequence[int]) -> dict[int, list[int]]:
    """Sample indices per person, people in order of first occurrence."""
    indices: dict[int, list[int]] = {}
    for index, identity in enumerate(identities):
        indices.setdefault(identity, []).append(index)
    return indices


def _groups(
    indices: list[int], size: int, chooser: random.Random, filler: np.random.RandomState
) -> list[list[int]]:
    drawn = list(indices)
    if len(drawn) < size:
        drawn = [int(index) for index in filler.choice(drawn, size=size, replace=True)]
    chooser.shuffle(drawn)
    return [drawn[start : start + size] for start in range(0, len(drawn) - size + 1, size)]
