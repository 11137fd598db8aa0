"""Filters and rows to try them on, and the independent truth: plain Python over one item at a time."""

import operator
import re

from hypothesis import strategies as st

from indexer.filters import ATTRIBUTE, AllOf, AnyOf, Compare, Exists, Not, OneOf
from indexer.items import GalleryItem

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*|(?=\.))(\.[0-9]+)?([eE][+-]?[0-9]+)?")

NAMES = ("coat", "bag", "height", "a.b", 'camera" ä', "rare")
WORDS = (
    "red",
    "blue",
    "dark blue",
    "",
    "true",
    "1",
    " 1",
    "1.0",
    "-2e0",
    ".5",
    "-.5e0",
    "unknown",
    "NaN",
    "[1]",
    "é",
    "\uffff",
    "\U0001f600",
)
NUMBERS = (
    True,
    False,
    0,
    1,
    -2,
    0.5,
    -0.0,
    1e300,
    2**53,
    2**53 + 1,
    2.0**53,
    2**63,
    2.0**63,
    2**64 + 1,
    -(10**30),
)
MINUTES = tuple(f"2026-05-01T12:{minute:02d}:00.000Z" for minute in range(60))
OWN_VALUES = {
    "source": ("folder-0", "folder-1"),
    "camera": ("camera-0", "camera-1", "camera-2", "1"),
    "track": ("track-0", "track-1", "track-2"),
    "seen_at": MINUTES,
    "id": (0, 1, 2, 3, 7, 15.5, "4", "x", 2**70),
}


def passes(item, where, id=None):
    """Whether the item, stored with that id, is let through."""
    match where:
        case AllOf(parts):
            return all(passes(item, part, id) for part in parts)
        case AnyOf(parts):
            return any(passes(item, part, id) for part in parts)
        case Not(part):
            return not passes(item, part, id)
    value = fact(item, where.field, id)
    if value is None:
        return False
    match where:
        case Exists():
            return True
        case OneOf(_, wanted):
            return any(_holds(operator.eq, value, one) for one in wanted)
        case Compare(_, sign, wanted):
            if isinstance(value, str) and isinstance(wanted, str) and _spelled(wanted.strip()) is not None:
                return False  # nothing that is no number is above or below one
            return _holds(COMPARISONS[sign], value, wanted)
    raise AssertionError(where)


def fact(item, field, id=None):
    """What the item has there; None for nothing."""
    if field.startswith(ATTRIBUTE):
        return item.attributes.get(field.removeprefix(ATTRIBUTE))
    return id if field == "id" else getattr(item, field)


def _holds(comparison, stored, wanted):
    if isinstance(stored, str):
        return isinstance(wanted, str) and comparison(stored, wanted)
    if isinstance(wanted, str):
        wanted = _spelled(wanted.strip(" \t\r\n"))
    return wanted is not None and comparison(stored, wanted)


def _spelled(text):
    if text in ("true", "false"):
        return text == "true"
    found = JSON_NUMBER.fullmatch(text)
    return found and (float(text) if found[2] or found[3] else int(text))


def random_item(rng, number):
    """An item with facts of every kind, some missing; by a `random.Random`."""

    def maybe(values):
        return rng.choice(values) if rng.random() < 0.8 else None

    chosen = {name: rng.choice(WORDS + NUMBERS) for name in NAMES[:-1] if rng.random() < 0.8}
    if rng.random() < 0.05:
        chosen["rare"] = rng.choice(("red", 1, True))
    return GalleryItem(
        key=f"key-{number}",
        uri=f"pictures/{number}.jpg",
        source=rng.choice(OWN_VALUES["source"]),
        camera=maybe(OWN_VALUES["camera"]),
        track=maybe(OWN_VALUES["track"]),
        seen_at=maybe(MINUTES),
        attributes=chosen,
    )


def _conditions(field, values):
    wanted = st.sampled_from(values)
    return (
        st.builds(OneOf, st.just(field), st.lists(wanted, max_size=6).map(tuple))
        | st.builds(Compare, st.just(field), st.sampled_from(tuple(COMPARISONS)), wanted)
        | st.builds(Exists, st.just(field))
    )


CONDITIONS = st.one_of(
    *(_conditions(field, values) for field, values in OWN_VALUES.items()),
    *(_conditions(ATTRIBUTE + name, (*WORDS, *NUMBERS)) for name in (*NAMES, "no such", "")),
)


def _combined(parts):
    several = st.lists(parts, max_size=4).map(tuple)
    return st.builds(Not, parts) | st.builds(AllOf, several) | st.builds(AnyOf, several)


FILTERS = st.recursive(CONDITIONS, _combined, max_leaves=12)
"""Any Filter over the facts of `random_item`, and of the items of gallery_makers."""
