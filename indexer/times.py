"""Times as people and files write them, kept as ISO 8601 in UTC so that text order is time order."""

import re
from datetime import UTC, datetime, timedelta

_LEAST_SECONDS, _MOST_SECONDS = 1e8, 1e10


def to_utc(value: str | int | float) -> str:
    """`2026-05-01T14:00+02:00`, `2026-05-01 12:00:00`, or Unix seconds -> `2026-05-01T12:00:00.000Z`.

    A time without an offset is taken as UTC. Raises ValueError, saying what was expected.
    """
    moment = parse(value)
    try:
        return iso(moment)
    except OverflowError as error:
        raise ValueError(
            f"{value!r} is no time that can be stored; leave it out if it is not known"
        ) from error


def parse(value: str | int | float) -> datetime:
    """The same as an aware datetime in UTC.

    Digits alone are a date of eight, or Unix seconds from 1973 to 2286: a number that is something else, such
    as a date or milliseconds, is refused rather than taken for a time.
    """
    problem = f"{value!r} is no time; write ISO 8601 like 2026-05-01T12:00:00Z, or Unix seconds"
    if isinstance(value, bool):
        raise ValueError(problem)
    try:
        if not isinstance(value, str) or re.fullmatch(r"\d{9,}(\.\d+)?", value.strip()):
            if not _LEAST_SECONDS <= float(value) < _MOST_SECONDS:
                raise ValueError(problem)
            return datetime.fromtimestamp(float(value), tz=UTC)
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(problem) from error


def iso(moment: datetime) -> str:
    """An aware datetime as the gallery stores it, to the millisecond."""
    rounded = moment.astimezone(UTC) + timedelta(microseconds=500)
    return f"{rounded.replace(tzinfo=None).isoformat(timespec='seconds')}.{rounded.microsecond // 1000:03d}Z"
