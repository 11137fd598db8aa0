"""Columns of times, counted into one timeline."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from indexer.local.column import Column
from indexer.timeline import Timeline, edges_between


def timeline_of(columns: Sequence[tuple[Column, npt.NDArray[np.int64]]], most: int) -> Timeline:
    """From columns of times and how many rows have each code (codes + 1,), 0 being none."""
    ends: list[str] = []
    for column, counts in columns:
        used = np.flatnonzero(counts[1:])
        ends += [column.values.texts[int(place)] for place in (*used[:1], *used[-1:])]
    if not ends:
        return Timeline()
    edges = edges_between(min(ends), max(ends), most)
    totals = np.zeros(len(edges) - 1, np.int64)
    for column, counts in columns:
        cuts = [bisect_left(column.values.texts, edge) for edge in edges]
        totals += np.diff(np.concatenate([[0], np.cumsum(counts[1:])])[cuts])
    return Timeline(edges, tuple(totals.tolist()))
