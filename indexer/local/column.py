"""One fact of many rows: its distinct values once, sorted, and for each row the code of the one it has.

The order of codes is the order of values, so that a condition is a few searches among the distinct values and
one comparison of whole numbers for all rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.filters import Compare, Exists, OneOf
from indexer.items import AttributeValue
from indexer.local.distinct_values import Codes, Spans, Values, smallest, sorted_values

Mask = npt.NDArray[np.bool_]

SPARSE_BELOW = 1 / 8
"""A column that fewer of the rows have is kept as places and codes, so that rare attributes cost little."""

_COMPARED_SPANS = 2
"""With more ranges of codes than this, looking each code up in a table is quicker than comparing."""


@dataclass(frozen=True, eq=False)
class Column:
    """One fact of `rows` rows. `codes`: (rows,), 0 where it is missing; with `places`, (those rows,)."""

    rows: int
    codes: Codes
    places: Codes | None
    values: Values

    @classmethod
    def of(cls, rows: int, places: Sequence[int] | Codes, values: Sequence[AttributeValue]) -> "Column":
        """From the places (ascending) that have the fact, and its values there. TypeError for other types."""
        same = len(set(map(type, values))) <= 1
        keys: Sequence[Any] = values if same else [(type(value), value) for value in values]
        number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        chosen = np.fromiter(map(number.__getitem__, keys), np.int64, len(keys))
        distinct = list(number) if same else [value for _, value in number]
        return cls._ranked(rows, np.asarray(places, np.int64), distinct, chosen)

    @classmethod
    def _ranked(
        cls,
        rows: int,
        places: npt.NDArray[np.int64],
        distinct: Sequence[AttributeValue],
        chosen: npt.NDArray[np.int64],
    ) -> "Column":
        """From values in any order, and which of them (present,) each of the places has."""
        values, codes_of = sorted_values(distinct)
        codes = codes_of[chosen]
        if len(places) < rows * SPARSE_BELOW:
            return cls(rows, smallest(codes), smallest(places), values)
        dense = np.zeros(rows, np.int64)
        dense[places] = codes
        return cls(rows, smallest(dense), None, values)

    def changed(self, places: Sequence[int], values: Sequence[AttributeValue | None]) -> "Column":
        """The column with other values at some places, None for none; itself if they are the same."""
        codes = self.dense()
        present = [self.values.at(code) if code else None for code in codes[list(places)].tolist()]
        if all(map(_same, present, values)):
            return self
        known = self.values.listed()
        codes[list(places)] = [0 if value is None else len(known) + n for n, value in enumerate(values, 1)]
        used = np.bincount(codes, minlength=len(known) + len(values) + 1) > 0
        used[0] = False
        rank = np.cumsum(used) - 1
        distinct: Any = [
            value for value, kept in zip([*known, *values], used[1:].tolist(), strict=True) if kept
        ]
        having = np.flatnonzero(codes)
        return Column._ranked(self.rows, having, distinct, rank[codes[having]])

    def dense(self) -> npt.NDArray[np.int64]:
        """The code of every row (rows,), 0 where the fact is missing."""
        codes = np.zeros(self.rows, np.int64)
        codes[slice(None) if self.places is None else self.places] = self.codes
        return codes

    def counted(self, mask: Mask | None) -> npt.NDArray[np.int64]:
        """How many rows (those of a mask) have each code (codes + 1,)."""
        codes = self.codes
        if mask is not None:
            codes = codes[mask if self.places is None else mask[self.places]]
        return np.bincount(codes, minlength=len(self.values) + 1)

    def any(self, mask: Mask | None) -> bool:
        """Whether any row (of a mask) has one."""
        known = self.codes.astype(bool)
        if mask is not None:
            known &= mask if self.places is None else mask[self.places]
        return bool(known.any())

    def mask(self, condition: OneOf | Compare | Exists) -> Mask:
        """Which rows (rows,) meet the condition."""
        met = _within(self.codes, self.values.spans(condition), len(self.values))
        if self.places is None:
            return met
        mask = np.zeros(self.rows, np.bool_)
        mask[self.places[met]] = True
        return mask


def _within(codes: Codes, spans: Spans, highest: int) -> Mask:
    """Which codes lie in one of the spans, of which no two overlap unless they are the same."""
    joined: list[list[int]] = []
    for low, high in sorted(set(spans)):
        if joined and low == joined[-1][1]:
            joined[-1][1] = high
        elif low < high:
            joined.append([low, high])
    if len(joined) > _COMPARED_SPANS:
        table = np.zeros(highest + 1, np.bool_)
        for low, high in joined:
            table[low:high] = True
        return table[codes]
    mask = np.zeros(codes.shape, np.bool_)
    for low, high in joined:
        mask |= codes == low if high == low + 1 else (codes >= low) & (codes < high)
    return mask


def _same(one: AttributeValue | None, other: AttributeValue | None) -> bool:
    return type(one) is type(other) and one == other
