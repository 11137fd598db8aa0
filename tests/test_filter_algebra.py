"""What a Filter may say: known fields and comparisons, a bounded depth, one meaning of a wanted text."""

import random
import subprocess
import sys

import pytest
from filter_makers import NAMES, NUMBERS, OWN_VALUES, WORDS, passes, random_item
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.filters import (
    MAX_DEPTH,
    AllOf,
    AnyOf,
    Compare,
    Exists,
    Not,
    OneOf,
    from_choices,
    readings,
)
from indexer.items import GalleryItem


@pytest.mark.parametrize(
    "field", ["", "cameras", "coat", "attributes", "Attributes.coat", "key", "uri", "box"]
)
def test_unknown_fields_are_refused(field):
    for make in (
        lambda: OneOf(field, ("a",)),
        lambda: Compare(field, "<", "a"),
        lambda: Exists(field),
    ):
        with pytest.raises(ValueError, match="no field"):
            make()


@pytest.mark.parametrize("sign", ["=", "==", "!=", "=<", ""])
def test_unknown_comparisons_are_refused(sign):
    with pytest.raises(ValueError, match="no comparison"):
        Compare("camera", sign, "a")


def test_depth_is_bounded_where_it_is_made():
    for wrap in (Not, lambda part: AllOf((Exists("camera"), part)), lambda part: AnyOf((part,))):
        where = Exists("track")
        for _ in range(MAX_DEPTH):
            where = wrap(where)
        assert hash(where) == hash(where)
        with pytest.raises(ValueError, match="deep"):
            wrap(where)


def test_equal_filters_are_one_key_and_others_are_not():
    same = [AllOf((OneOf("camera", ("a",)), Exists("attributes.b"))) for _ in range(2)]
    assert len(set(same)) == 1
    different = [
        OneOf("camera", ()),
        OneOf("camera", ("a",)),
        OneOf("track", ("a",)),
        OneOf("attributes.n", ("1",)),
        OneOf("attributes.n", (1,)),
        Compare("camera", "<", "a"),
        Compare("camera", "<=", "a"),
        AllOf((Exists("camera"),)),
        AnyOf((Exists("camera"),)),
        Not(Exists("camera")),
        Exists("camera"),
    ]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("red", ["red"]),
        ("3", ["3", 3]),
        ("2.50", ["2.50", 2.5]),
        ("true", ["true", True]),
        ("True", ["True"]),
        (".5", [".5", 0.5]),
        ("-.5e-1", ["-.5e-1", -0.05]),
        (".", ["."]),
        (".e1", [".e1"]),
        ("NaN", ["NaN"]),
        ("-Infinity", ["-Infinity"]),
        ("null", ["null"]),
        ("[1]", ["[1]"]),
        ("[" * 100_000, ["[" * 100_000]),
        ("9" * 5000, ["9" * 5000]),
        ("caf\udce9", ["caf\\udce9"]),
        (3, [3]),
        (float("nan"), []),
    ],
)
def test_a_wanted_value_stands_for_what_it_spells(wanted, meant):
    found = list(readings(wanted))
    assert found == meant
    assert [type(value) for value in found] == [type(value) for value in meant]


def names(field):
    return st.none() | st.lists(st.sampled_from(OWN_VALUES[field]), max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cameras=names("camera"),
    tracks=names("track"),
    sources=names("source"),
    seen_from=st.none() | st.sampled_from(OWN_VALUES["seen_at"]),
    seen_until=st.none() | st.sampled_from(OWN_VALUES["seen_at"]),
    attributes=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WORDS + NUMBERS), max_size=2),
)
def test_choices_must_all_hold(seed, cameras, tracks, sources, seen_from, seen_until, attributes):
    where = from_choices(cameras, tracks, sources, seen_from, seen_until, attributes)
    given_parts = (cameras, tracks, sources, seen_from, seen_until, attributes or None)
    assert (where is None) == all(part is None for part in given_parts)
    item = random_item(random.Random(seed), 1)
    expected = (
        (cameras is None or item.camera in cameras)
        and (tracks is None or item.track in tracks)
        and (sources is None or item.source in sources)
        and (seen_from is None or (item.seen_at is not None and item.seen_at >= seen_from))
        and (seen_until is None or (item.seen_at is not None and item.seen_at < seen_until))
        and all(passes(item, OneOf(f"attributes.{name}", (value,))) for name, value in attributes.items())
    )
    assert (where is None or passes(item, where)) == expected


def test_rows_without_the_field_pass_only_its_not():
    bare = GalleryItem("k", "u", "s")
    for condition in (Exists("camera"), OneOf("camera", ("a",)), Compare("attributes.x", "<", 3)):
        assert not passes(bare, condition)
        assert passes(bare, Not(condition))
    assert passes(bare, AllOf(()))
    assert not passes(bare, AnyOf(()))


def test_the_algebra_is_light():
    program = "import sys, indexer.filters; print([n for n in ('numpy', 'torch') if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
