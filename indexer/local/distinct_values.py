"""The distinct values of one fact, sorted within each type: where those stand that a condition is about.

Truth values, whole numbers of 64 bits, larger ones, floating ones and texts stand apart, so that each kind is
held as a plain array and still compares exactly as Python compares.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.filters import Compare, Exists, OneOf, readings
from indexer.items import AttributeValue

Codes = npt.NDArray[np.unsignedinteger[Any]]
Spans = list[tuple[int, int]]


class Sorted(Protocol):
    """Distinct values of one type, ascending; NaN, which equals nothing, stands last."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> AttributeValue: ...
    def __iter__(self) -> Iterator[Any]: ...


class Numbers:
    """An array of numbers seen as Python numbers, which compare exactly."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array

    def __len__(self) -> int:
        """How many."""
        return len(self.array)

    def __getitem__(self, place: int, /) -> int | float:
        """The number at that place."""
        number: int | float = self.array[place].item()
        return number

    def __iter__(self) -> Iterator[int | float]:
        """The numbers in turn."""
        return iter(self.array.tolist())


class Texts:
    """Texts one behind the other in UTF-8: `ends[i]` (count,) is where text i ends."""

    def __init__(self, letters: bytes, ends: Codes) -> None:
        self.letters = letters
        self.ends = ends

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> "Texts":
        """From ascending UTF-8 texts."""
        return cls(b"".join(texts), smallest(np.cumsum([len(text) for text in texts], dtype=np.int64)))

    def __len__(self) -> int:
        """How many."""
        return len(self.ends)

    def __getitem__(self, place: int, /) -> str:
        """The text at that place, counted from the first."""
        start = self.ends[place - 1] if place else 0
        return self.letters[start : self.ends[place]].decode()

    def __iter__(self) -> Iterator[str]:
        """The texts in turn."""
        return (self.letters[start:end].decode() for start, end in pairwise([0, *self.ends.tolist()]))


@dataclass(frozen=True, eq=False)
class Values:
    """The distinct values of a column, sorted within each type."""

    truths: tuple[bool, ...]
    integers: npt.NDArray[np.int64]
    large: tuple[int, ...]
    floats: npt.NDArray[np.float64]
    texts: Texts

    def kinds(self) -> tuple[Sorted, ...]:
        """All of them in the order of their codes, the first of which is 1."""
        return self.truths, Numbers(self.integers), self.large, Numbers(self.floats), self.texts

    def __len__(self) -> int:
        """How many."""
        return sum(map(len, self.kinds()))

    def at(self, code: int) -> AttributeValue:
        """The value of one code; IndexError if there is none."""
        for kind in self.kinds():
            if code <= len(kind):
                return kind[code - 1]
            code -= len(kind)
        raise IndexError(code)

    def listed(self) -> list[AttributeValue]:
        """The value of each code, from 1 on."""
        return [value for kind in self.kinds() for value in kind]

    def spans(self, condition: OneOf | Compare | Exists) -> Spans:
        """The codes whose values meet the condition, as half-open ranges."""
        if isinstance(condition, Exists):
            return [(1, len(self) + 1)]
        texts, numbers = wanted_by(condition)
        found, start = [], 1
        for kind in self.kinds():
            wanted = texts if kind is self.texts else numbers
            found += [(start + low, start + high) for low, high in matching(kind, condition, wanted)]
            start += len(kind)
        return found


def wanted_by(condition: OneOf | Compare) -> tuple[list[AttributeValue], list[AttributeValue]]:
    """The texts and the numbers that the condition compares with."""
    if isinstance(condition, Compare):
        wanted = list(readings(condition.value)[-1:])
    else:
        wanted = [reading for value in condition.values for reading in readings(value)]
    return [one for one in wanted if isinstance(one, str)], [
        one for one in wanted if not isinstance(one, str)
    ]


def matching(kind: Sorted, condition: OneOf | Compare, wanted: Sequence[AttributeValue]) -> Spans:
    """The places whose values meet the condition with what it wants of their type, as half-open ranges."""
    if not len(kind) or not wanted:
        return []
    last = len(kind) - 1
    end = last if kind[last] != kind[last] else last + 1
    if isinstance(condition, OneOf):
        find: Any = bisect_left  # its types know no union that compares within each type
        places = ((find(kind, value, hi=end), value) for value in wanted)
        return [(place, place + 1) for place, value in places if place < end and kind[place] == value]
    bisect: Any = bisect_left if condition.operator in ("<", ">=") else bisect_right
    cut = bisect(kind, wanted[0], hi=end)
    return [(0, cut) if condition.operator in ("<", "<=") else (cut, end)]


def sorted_values(distinct: Sequence[AttributeValue]) -> tuple[Values, npt.NDArray[np.int64]]:
    """The values sorted, and the code of each value given; equal ones of one type get one code."""
    by_type: dict[str, list[int]] = {name: [] for name in _TYPES}
    for place, name in enumerate(map(_type_name, distinct)):
        by_type[name].append(place)
    codes = np.zeros(len(distinct), np.int64)
    found: dict[str, Any] = {}
    start = 1
    for name, places in by_type.items():
        found[name], ranks = _TYPES[name]([distinct[place] for place in places])
        codes[places] = start + ranks
        start += len(found[name])
    return Values(**found), codes


def _type_name(value: AttributeValue) -> str:
    if isinstance(value, str):
        return "texts"
    if isinstance(value, bool):
        return "truths"
    if isinstance(value, int):
        return "integers" if -(2**63) <= value < 2**63 else "large"
    if isinstance(value, float):
        return "floats"
    raise TypeError(f"an attribute is a text, a number, true or false, not {type(value).__name__}")


Ranked = tuple[Sorted | npt.NDArray[Any], npt.NDArray[np.int64]]


def _ranked_objects(values: list[Any]) -> tuple[tuple[Any, ...], npt.NDArray[np.int64]]:
    ordered = tuple(sorted(set(values)))
    rank = {value: place for place, value in enumerate(ordered)}
    return ordered, np.array([rank[value] for value in values], np.int64)


def _ranked_texts(values: list[Any]) -> Ranked:
    ordered, ranks = _ranked_objects([text.encode("utf-8", "backslashreplace") for text in values])
    return Texts.of(ordered), ranks


def _ranked_integers(values: list[Any]) -> Ranked:
    return np.unique(np.array(values, np.int64), return_inverse=True)


def _ranked_floats(values: list[Any]) -> Ranked:
    return np.unique(np.array(values, np.float64), return_inverse=True)


_TYPES: dict[str, Callable[[list[Any]], Ranked]] = {
    "truths": _ranked_objects,
    "integers": _ranked_integers,
    "large": _ranked_objects,
    "floats": _ranked_floats,
    "texts": _ranked_texts,
}


def smallest(numbers: npt.NDArray[np.integer[Any]]) -> Codes:
    """The numbers, none negative, in the smallest type that holds them."""
    found: Codes = numbers.astype(np.min_scalar_type(numbers.max(initial=0)))
    return found
