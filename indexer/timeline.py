"""When the items of a gallery were seen: counts over equal steps of time that people know from clocks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.times import to_utc

_SECONDS = (1, 2, 5, 10, 15, 30)
_MINUTES = (1, 2, 5, 10, 15, 30)
_HOURS = (1, 2, 3, 6, 12)
_DAYS = (1, 2, 7, 14, 30, 90, 365)
STEPS = (
    *(timedelta(seconds=n) for n in _SECONDS),
    *(timedelta(minutes=n) for n in _MINUTES),
    *(timedelta(hours=n) for n in _HOURS),
    *(timedelta(days=n) for n in _DAYS),
)
_LAST = "9999-12-31T23:59:59.999Z"
_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday: weeks begin where people expect it


@dataclass(frozen=True)
class Timeline:
    """`counts[i]` items were seen from `edges[i]` until before `edges[i + 1]`; both may be empty."""

    edges: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()


def edges_between(first: str, last: str, most: int) -> tuple[str, ...]:
    """Edges (ISO 8601, UTC) of at most `most` (2 or more) steps of equal length that hold both times."""
    start, end = _time(first), _time(last)
    step = next((step for step in STEPS if _steps(start, end, step) <= most), None)
    if step is None:
        years = STEPS[-1]
        step = years * (_steps(start, end, years) // max(1, most - 1) + 1)
    try:
        begin = start - (start - _ORIGIN) % step
        return tuple(_text(begin + step * place) for place in range(_steps(start, end, step) + 1))
    except OverflowError:  # at an end of the calendar
        return (first, _LAST)


def _steps(start: datetime, end: datetime, step: timedelta) -> int:
    return (end - _ORIGIN) // step - (start - _ORIGIN) // step + 1


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _text(moment: datetime) -> str:
    return to_utc(moment.isoformat())
