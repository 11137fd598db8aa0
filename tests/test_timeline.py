"""When the items of a gallery were seen, against counting them one by one."""

from datetime import datetime
from itertools import pairwise

import pytest
from filter_makers import passes
from gallery_makers import make_items, writer
from hypothesis import given
from hypothesis import strategies as st

from indexer.filters import Compare, OneOf
from indexer.gallery import open_gallery
from indexer.timeline import STEPS, Timeline, edges_between
from indexer.times import iso, parse

TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda moment: iso(parse(str(moment))))


@given(TIMES, TIMES, st.integers(2, 100))
def test_few_equal_steps_hold_both_ends(one: str, other: str, most: int) -> None:
    first, last = sorted((one, other))
    edges = edges_between(first, last, most)
    assert 2 <= len(edges) <= most + 1
    assert list(edges) == sorted(set(edges))
    assert edges[0] <= first
    assert last < edges[-1]
    widths = {(parse(b) - parse(a)) for a, b in pairwise(edges[:-1])}
    assert len(widths) <= 1


@pytest.mark.parametrize(
    ("first", "last", "most", "edges"),
    [
        ("2026-05-01T08:20:00.000Z", "2026-05-01T09:50:00.000Z", 3, ["08", "09", "10"]),
        (
            "2026-05-06T08:20:00.000Z",
            "2026-05-12T09:50:00.000Z",
            2,
            ["2026-05-04", "2026-05-11", "2026-05-18"],
        ),
    ],
)
def test_steps_begin_where_clocks_and_calendars_do(first, last, most, edges) -> None:
    found = edges_between(first, last, most)
    assert len(found) == len(edges)
    assert all(edge in time for edge, time in zip(edges, found, strict=True))
    assert all(":00:00.000Z" in time for time in found)


@pytest.mark.parametrize(
    "where",
    [
        None,
        OneOf("camera", ("camera-1",)),
        Compare("seen_at", ">", "2026-05-01T12:30:00.000Z"),
        OneOf("attributes.coat", ()),
    ],
)
def test_counts_are_those_of_counting(tmp_path, where) -> None:
    with_rows = writer(tmp_path / "g")
    items = make_items(0, 300)
    with_rows.add(items[:200])
    with_rows.build_generation()  # some in a segment, some fresh, some removed
    with_rows.add(items[200:])
    with_rows.remove([item.item.key for item in items[::7]])
    left = [item.item for place, item in enumerate(items) if place % 7]
    times = [item.seen_at for item in left if item.seen_at and (where is None or passes(item, where))]
    with_rows.close()
    reader = open_gallery(tmp_path / "g")
    found = reader.timeline(30, where)
    reader.close()
    assert sum(found.counts) == len(times)
    assert list(found.counts) == [sum(a <= time < b for time in times) for a, b in pairwise(found.edges)]
    assert (found == Timeline()) == (not times)


def test_steps_are_whole_parts_of_the_next_larger_unit() -> None:
    assert list(STEPS) == sorted(STEPS)
