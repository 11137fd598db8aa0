"""A Filter as SQL: exact, and every value bound, never pasted."""

import json
import math
from collections.abc import Sequence

from indexer.items import AttributeValue, Filter
from indexer.texts import storable

Condition = tuple[str, list[AttributeValue]]


def where_clause(where: Filter) -> Condition:
    """The condition on table `item` and its values. An empty Filter gives the condition that always holds."""
    conditions = [
        _one_of("camera", where.cameras),
        _one_of("track", where.tracks),
        _one_of("source", where.sources),
        _compared("seen_at >= ?", where.seen_from),
        _compared("seen_at < ?", where.seen_until),
    ] + [_attribute(name, value) for name, value in where.attributes.items()]
    given = [condition for condition in conditions if condition]
    values = [value for _, bound in given for value in bound]
    return " AND ".join(text for text, _ in given) or "1", values


def cache_key(where: Filter) -> tuple[object, ...]:
    """Equal for filters that allow the same rows."""
    attributes = tuple(sorted((name, repr(value)) for name, value in where.attributes.items()))
    return where.cameras, where.tracks, where.sources, where.seen_from, where.seen_until, attributes


def readings(value: AttributeValue) -> list[AttributeValue]:
    """What the value may stand for: a text also for the number or truth value written that way."""
    if not isinstance(value, str):
        return [_bindable(value)]
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return [storable(value)]
    if isinstance(parsed, bool | int | float):
        return [storable(value), _bindable(parsed)]
    return [storable(value)]


def _bindable(number: bool | int | float) -> bool | int | float:
    """Whole numbers beyond 64 bits are kept as floating ones, as JSON in SQLite is."""
    if abs(number) < 2**63:
        return number
    return float(number) if abs(number) < 1e308 else math.inf


def _one_of(column: str, names: Sequence[str] | None) -> Condition | None:
    if names is None:
        return None
    return f"{column} IN ({', '.join('?' * len(names))})", [storable(name) for name in names]


def _compared(text: str, value: str | None) -> Condition | None:
    return None if value is None else (text, [storable(value)])


def _attribute(name: str, value: AttributeValue) -> Condition:
    wanted = readings(value)
    marks = ", ".join("?" * len(wanted))
    facts = "SELECT 1 FROM json_each(item.attributes) AS fact"
    return f"EXISTS ({facts} WHERE fact.key = ? AND fact.value IN ({marks}))", [storable(name), *wanted]
