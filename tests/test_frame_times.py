"""Times of frames: those of the file where they can be, counted where not, never falling, no frame lost."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.sources.frame_times import LONGEST, frame_seconds, one_of_each


def seconds(stamps: list[float | None], beginning: float | None = None, frame_time: float = 0.1):
    """The seconds, and what was not believed."""
    notes = list[str]()
    timed = list(
        frame_seconds(zip(stamps, range(len(stamps)), strict=True), beginning, frame_time, notes.append)
    )
    assert [frame for _, frame in timed] == list(range(len(stamps)))
    return [round(second, 6) for second, _ in timed], notes


@pytest.mark.parametrize("beginning", [0.0, -7.5, 12.0, 95_443.7])
def test_stamps_count_from_the_beginning(beginning: float) -> None:
    uneven = [0.0, 0.1, 0.15, 3.0, 3.5, 12.0, 12.01]
    shifted = [beginning + second for second in uneven]
    assert seconds(shifted, beginning) == (uneven, [])
    assert seconds(shifted) == (uneven, [])


def test_frames_without_a_stamp_come_a_frame_later() -> None:
    assert seconds([None, None, 0.5, None, 0.7], 0.0) == ([0.0, 0.1, 0.5, 0.6, 0.7], [])
    assert seconds([math.nan, 0.1], 0.0) == ([0.0, 0.1], [])


def test_one_mad_stamp_moves_its_own_frame_only() -> None:
    for mad in (4_000.0, LONGEST * 9, 1e300, math.inf):
        found, notes = seconds([0.0, 0.1, mad, 0.3, 0.4])
        assert found == [0.0, 0.1, 0.2, 0.3, 0.4]
        assert notes == ["impossible times"] * (mad < math.inf)


def test_a_pause_is_believed_when_the_film_goes_on_from_there() -> None:
    assert seconds([0.0, 0.1, 5_000.0, 5_000.1]) == ([0.0, 0.1, 5_000.0, 5_000.1], [])
    assert seconds([0.0, 20.0, 40.0, 60.0], frame_time=20) == ([0.0, 20.0, 40.0, 60.0], [])


def test_a_clock_that_is_set_anew_goes_on_counting() -> None:
    found, notes = seconds([0.0, 0.1, 0.2, -50.0, -49.9, -49.7])
    assert found == [0.0, 0.1, 0.2, 0.3, 0.4, 0.6]
    assert notes == ["times that fall back"]
    assert seconds([-3.0, -2.9, -2.8], beginning=0.0) == ([0.0, 0.1, 0.2], [])


def test_a_little_disorder_is_put_in_order() -> None:
    assert seconds([0.0, 0.2, 0.1, 0.3]) == ([0.0, 0.2, 0.2, 0.3], [])


@given(st.lists(st.none() | st.floats() | st.floats(-5, 400), max_size=30), st.none() | st.floats(-1e6, 1e6))
def test_whatever_the_stamps_every_frame_comes_once_and_never_earlier(stamps, beginning) -> None:
    found, _ = seconds(stamps, beginning)
    assert len(found) == len(stamps)
    assert all(math.isfinite(second) and second >= 0 for second in found)
    assert all(one <= other for one, other in pairwise(found))


@given(st.lists(st.floats(0, 0.9), min_size=1, max_size=60), st.floats(0.1, 60))
def test_the_first_frame_of_each_slot_is_taken(gaps: list[float], fps: float) -> None:
    times = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    taken = [frame for _, frame in one_of_each(((t, n) for n, t in enumerate(times)), fps)]
    slots = [math.floor(t * fps + 1e-6) for t in times]
    assert taken == [slots.index(slot) for slot in sorted(set(slots))]
