"""Which rows a search may return: conditions on their facts, combined by and, or and not.

Fields are `id`, `source`, `camera`, `track`, `seen_at`, and `attributes.NAME`, where NAME may hold anything.
Logic has two values: a row without the field fails every condition on it, and so passes the condition's Not.

Numbers compare with numbers exactly as Python compares them (True is 1), texts with texts by code points, and
nothing else matches anything. A wanted text also stands for the number or truth value that it spells in JSON:
"3" finds 3, "true" finds True; `.5` may be written for 0.5. Below and above such a text there are numbers
only: `age > 30` finds no age of "unknown". `seen_at` is a text such as `2026-05-01T12:00:00.000Z`; a wanted
time is given in the same form.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from indexer.texts import storable

if TYPE_CHECKING:
    from indexer.items import AttributeValue

Operator = Literal["<", "<=", ">", ">="]

_LEADING_POINT = re.compile(r"^\s*-?(?=\.[0-9])")
OWN_FIELDS = ("id", "source", "camera", "track", "seen_at")
ATTRIBUTE = "attributes."
MAX_DEPTH = 50
"""How deep conditions may be nested; what is deeper cannot be made, so whoever walks a Filter may recurse."""


@dataclass(frozen=True)
class OneOf:
    """The field has one of the values. No values: no row."""

    field: str
    values: "tuple[AttributeValue, ...]"

    def __post_init__(self) -> None:
        _check_field(self.field)


@dataclass(frozen=True)
class Compare:
    """The field is below (`<`, `<=`) or above (`>`, `>=`) the value; of its readings the last counts."""

    field: str
    operator: Operator
    value: "AttributeValue"

    def __post_init__(self) -> None:
        _check_field(self.field)
        if self.operator not in get_args(Operator):
            raise ValueError(
                f"{self.operator!r} is no comparison; use one of {', '.join(get_args(Operator))}"
            )


@dataclass(frozen=True)
class Exists:
    """The row has the field."""

    field: str

    def __post_init__(self) -> None:
        _check_field(self.field)


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: "Filter"
    depth: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth((self.part,)))


@dataclass(frozen=True)
class AllOf:
    """Every part holds. No parts: every row."""

    parts: "tuple[Filter, ...]"
    depth: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth(self.parts))


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds. No parts: no row."""

    parts: "tuple[Filter, ...]"
    depth: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _depth(self.parts))


Filter = OneOf | Compare | Exists | Not | AllOf | AnyOf


def readings(wanted: "AttributeValue") -> "tuple[AttributeValue, ...]":
    """What a wanted value stands for: a text also for the number or truth value it spells, which comes last.

    Texts are returned as galleries store them. What equals nothing (NaN) stands for nothing.
    """
    if not isinstance(wanted, str):
        return (wanted,) if wanted == wanted else ()
    text = storable(wanted)
    try:
        spelled = json.loads(_LEADING_POINT.sub(r"\g<0>0", text), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return (text,)
    return (text, spelled) if isinstance(spelled, bool | int | float) else (text,)


def from_choices(
    cameras: Sequence[str] | None = None,
    tracks: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    seen_from: str | None = None,
    seen_until: str | None = None,
    attributes: "Mapping[str, AttributeValue] | None" = None,
) -> Filter | None:
    """Every part given must hold; None if none is given.

    cameras, tracks, sources: any of the names, so that an empty sequence allows no row. seen_from (inclusive)
    and seen_until (exclusive): UTC as galleries store it. attributes: name -> the value it must equal.
    """
    named = {"camera": cameras, "track": tracks, "source": sources}
    parts: list[Filter] = [OneOf(field, tuple(names)) for field, names in named.items() if names is not None]
    if seen_from is not None:
        parts.append(Compare("seen_at", ">=", seen_from))
    if seen_until is not None:
        parts.append(Compare("seen_at", "<", seen_until))
    parts += [OneOf(ATTRIBUTE + name, (value,)) for name, value in (attributes or {}).items()]
    return all_of(*parts)


def all_of(*parts: Filter | None) -> Filter | None:
    """Every part must hold; None allows everything."""
    given = tuple(part for part in parts if part is not None)
    if len(given) > 1:
        return AllOf(given)
    return given[0] if given else None


def _check_field(field: str) -> None:
    if field not in OWN_FIELDS and not field.startswith(ATTRIBUTE):
        raise ValueError(f"{field!r} is no field; use {', '.join(OWN_FIELDS)} or {ATTRIBUTE}NAME")


def _depth(parts: Sequence[Filter]) -> int:
    depth = 1 + max((part.depth for part in parts if isinstance(part, Not | AllOf | AnyOf)), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"conditions nested more than {MAX_DEPTH} deep")
    return depth


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def words_of(where: Filter) -> Iterator[str]:
    """What each condition says: the name of its field, and its values."""
    for condition in _conditions(where):
        name = condition.field.removeprefix(ATTRIBUTE)
        match condition:
            case OneOf(_, values):
                yield " ".join([name, *map(str, values)])
            case Compare(_, _, value):
                yield f"{name} {value}"
            case Exists():
                yield name


def attributes_in(where: Filter) -> Iterator[str]:
    """The name of the attribute that each condition is about, as galleries store it."""
    for condition in _conditions(where):
        if condition.field.startswith(ATTRIBUTE):
            yield storable(condition.field.removeprefix(ATTRIBUTE))


def _conditions(where: Filter) -> Iterator[OneOf | Compare | Exists]:
    match where:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _conditions(part)
        case Not(part):
            yield from _conditions(part)
        case _:
            yield where
