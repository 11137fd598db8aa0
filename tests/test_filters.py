"""A Filter as SQL lets exactly those rows through that its docstring names."""

import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.items import Filter
from indexer.local.filters import cache_key, where_clause

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
VALUES = (
    TEXTS | st.integers(-(2**70), 2**70) | st.booleans() | st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
)


@pytest.fixture(scope="module")
def attribute_rows():
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, camera, track, source, seen_at, attributes TEXT)"
    )
    yield connection
    connection.close()


@settings(max_examples=300, deadline=None)
@given(
    stored=st.dictionaries(st.sampled_from(["a", "b.c", '"', "ä"]), VALUES, max_size=3),
    wanted=st.dictionaries(st.sampled_from(["a", "b.c", '"', "ä"]), VALUES, max_size=2),
    copied=st.booleans(),
)
def test_attributes_match_by_their_value(attribute_rows, stored, wanted, copied):
    wanted = {**wanted, **stored} if copied else wanted
    condition, values = where_clause(Filter(attributes=wanted))
    attribute_rows.execute("DELETE FROM item")
    attribute_rows.execute("INSERT INTO item (attributes) VALUES (?)", [json.dumps(stored)])
    found = attribute_rows.execute(f"SELECT count(*) FROM item WHERE {condition}", values).fetchone()[0]
    assert found == all(name in stored and _same(stored[name], value) for name, value in wanted.items())


def _same(stored, wanted):
    """Equal values; a wanted text also stands for the number or truth value that is written so."""
    if isinstance(wanted, str) and not isinstance(stored, str):
        spelled = {"true": True, "false": False}
        try:
            wanted = spelled[wanted] if wanted in spelled else float(wanted)
        except ValueError:
            return False
    if isinstance(stored, str) or isinstance(wanted, str):
        return isinstance(stored, str) and stored == wanted
    large = max(abs(stored), abs(wanted)) >= 2**63  # beyond 64 bits numbers are kept as floating ones
    return float(stored) == float(wanted) if large else stored == wanted


@pytest.mark.parametrize(("stored", "wanted"), [(7, "7"), (True, "true"), (2.5, "2.5"), ("7", "7")])
def test_a_written_value_finds_what_it_means(attribute_rows, stored, wanted):
    attribute_rows.execute("DELETE FROM item")
    attribute_rows.execute("INSERT INTO item (attributes) VALUES (?)", [json.dumps({"x": stored})])
    for value, expected in ((wanted, 1), ("8", 0), ("false", 0), ("", 0)):
        condition, values = where_clause(Filter(attributes={"x": value}))
        count = attribute_rows.execute(f"SELECT count(*) FROM item WHERE {condition}", values).fetchone()[0]
        assert count == expected


def test_filters_that_differ_are_not_remembered_as_one():
    different = [
        Filter(),
        Filter(cameras=()),
        Filter(cameras=("a",)),
        Filter(tracks=("a",)),
        Filter(sources=("a",)),
        Filter(seen_from="a"),
        Filter(seen_until="a"),
        Filter(attributes={"n": "1"}),
        Filter(attributes={"n": 1}),
        Filter(attributes={"m": 1}),
    ]
    assert len({cache_key(where) for where in different}) == len(different)
    one, other = Filter(attributes={"a": 1, "b": 2}), Filter(attributes={"b": 2, "a": 1})
    assert cache_key(one) == cache_key(other)
