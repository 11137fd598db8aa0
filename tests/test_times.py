"""Times as people write them become one form, whose text order is time order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.times import iso, parse, to_utc


@pytest.mark.parametrize(
    "written",
    [
        "2026-05-01T12:00:00Z",
        "2026-05-01T14:00+02:00",
        "2026-05-01 12:00:00",
        " 2026-05-01T12:00:00.000 ",
        "20260501T120000Z",
        1_777_636_800,
        1_777_636_800.0,
        "1777636800",
        "1777636800.0",
    ],
)
def test_every_way_of_writing_gives_one_form(written: str | float) -> None:
    assert to_utc(written) == "2026-05-01T12:00:00.000Z"


@pytest.mark.parametrize("written", ["", "noon", "2026-13-01", "1", True, 1e300, float("nan"), "01.05.2026"])
def test_what_is_no_time_is_refused_with_an_example(written: str | float) -> None:
    with pytest.raises(ValueError, match="is no time; write ISO 8601 like 2026-05-01T12:00:00Z"):
        to_utc(written)


@pytest.mark.parametrize(
    "number", [20260501, 12, 0, -1, 99_999_999, 10**10, 1_777_636_800_000, 20260501120000, 1512031200000]
)
def test_a_number_that_is_no_unix_time_is_refused_as_text_too(number: int) -> None:
    for written in (number, float(number), f"{number}.0"):
        with pytest.raises(ValueError, match="is no time; write ISO 8601"):
            to_utc(written)
    if len(str(number)) != 8:  # a date
        with pytest.raises(ValueError, match="is no time; write ISO 8601"):
            to_utc(str(number))


def test_unix_seconds_are_read_from_1973_to_2286() -> None:
    for written in (10**8, 10**10 - 1, str(10**8), str(10**10 - 1)):
        assert to_utc(written) == iso(datetime.fromtimestamp(int(written), tz=UTC))
    assert to_utc("20260501") == "2026-05-01T00:00:00.000Z"


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_at_the_end_of_all_times_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        to_utc(written)


moments = st.datetimes(datetime(2, 1, 2), datetime(2200, 1, 1)).map(lambda m: m.replace(tzinfo=UTC))


@settings(max_examples=60, deadline=None)
@given(moments)
def test_reading_back_is_exact_to_half_a_millisecond(moment: datetime) -> None:
    assert abs((parse(iso(moment)) - moment).total_seconds()) <= 0.0005


@settings(max_examples=60, deadline=None)
@given(moments, moments)
def test_text_order_is_time_order(a: datetime, b: datetime) -> None:
    earlier, later = sorted([a, b])
    assert iso(earlier) <= iso(later)
