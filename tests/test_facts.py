"""Facts let exactly those rows through that plain Python does, also changed, also written and read again."""

import io
import random

import numpy as np
import pytest
from filter_makers import COMPARISONS, FILTERS, fact, passes, random_item
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.filters import AllOf, AnyOf, Compare, Exists, Not, OneOf
from indexer.items import GalleryItem
from indexer.local.facts import Facts

FIELDS = ("source", "camera", "track", "seen_at", "attributes.coat", "attributes.height", "attributes.rare")
NAN = float("nan")


def row(id, item):
    return id, item.source, item.camera, item.track, item.seen_at, item.attributes


def some_items(seed, most=200):
    """Items by rising ids with gaps."""
    rng = random.Random(seed)
    ids = sorted(rng.sample(range(1, 3 * most), rng.randint(0, most)))
    return {id: random_item(rng, id) for id in ids}


def facts_of(items):
    return Facts.from_rows(row(id, item) for id, item in items.items())


def attribute_rows(values):
    """Facts of one attribute, one row a value; None is a row without it."""
    return Facts.from_rows(
        (id, "s", None, None, None, {} if value is None else {"x": value}) for id, value in enumerate(values)
    )


def passing(items, where):
    return [passes(item, where, id) for id, item in items.items()]


def written(facts):
    file = io.BytesIO()
    facts.write(file)
    return file.getvalue()


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, 2**32), where=FILTERS)
def test_masks_are_what_plain_python_says(seed, where):
    items = some_items(seed)
    facts = facts_of(items)
    assert len(facts) == len(items)
    assert facts.ids.tolist() == list(items)
    assert facts.mask(where).dtype == np.bool_
    assert facts.mask(where).tolist() == passing(items, where)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), other=st.integers(0, 2**32), wheres=st.lists(FILTERS, max_size=5))
def test_changed_and_reread_facts_are_those_of_the_changed_rows(seed, other, wheres):
    items, changes = some_items(seed), some_items(other, most=20)
    before = facts_of(items)
    kept = [before.mask(where).tolist() for where in wheres]
    changed = before.changed(row(id, item) for id, item in changes.items())
    now = items | {id: item for id, item in changes.items() if id in items}
    for facts in (changed, Facts.read(io.BytesIO(written(changed)))):
        assert [facts.mask(where).tolist() for where in wheres] == [passing(now, where) for where in wheres]
        assert all(facts.counts(field) == facts_of(now).counts(field) for field in FIELDS)
    assert [before.mask(where).tolist() for where in wheres] == kept


def test_columns_that_stay_are_shared():
    items = some_items(5)
    facts = facts_of(items)
    id, item = next((id, item) for id, item in items.items() if "coat" in item.attributes)
    relabelled = (id, item.source, item.camera, item.track, item.seen_at, item.attributes | {"coat": "new"})
    changed = facts.changed([relabelled, (10**6, "s", None, None, None, {"other": 1})])
    assert changed.columns.keys() == facts.columns.keys()
    different = [name for name in facts.columns if changed.columns[name] is not facts.columns[name]]
    assert different == ["attributes.coat"]
    assert changed.mask(OneOf("attributes.coat", ("new",))).nonzero()[0].tolist() == [list(items).index(id)]


def test_a_change_of_type_is_a_change():
    changed = attribute_rows([1, 2]).changed([(0, "s", None, None, None, {"x": True})])
    assert repr(changed.counts("attributes.x")) == "[(True, 1), (2, 1)]"


def test_a_field_that_no_row_has_any_more_is_gone():
    changed = attribute_rows([1]).changed([(0, "s", None, None, None, {})])
    assert list(changed.columns) == ["source"]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), field=st.sampled_from(FIELDS))
def test_counts_are_those_of_counting(seed, field):
    items = some_items(seed)
    found = {}
    for item in items.values():
        value = fact(item, field)
        if value is not None:
            found[type(value), value] = found.get((type(value), value), 0) + 1
    counted = facts_of(items).counts(field)
    assert {(type(value), value): count for value, count in counted} == found
    assert len(counted) == len(found)


def test_fields_that_nothing_has_have_no_counts():
    assert facts_of(some_items(1)).counts("attributes.no such") == []


@pytest.mark.parametrize("count", [1, 2, 254, 255, 256, 257, 70_000])
def test_codes_of_any_width(count):
    facts = attribute_rows([*range(count), None, *range(count - 1, -1, -1), None])
    for wanted in {0, count // 2, count - 1}:
        places = [wanted, 2 * count - wanted]
        assert facts.mask(OneOf("attributes.x", (wanted,))).nonzero()[0].tolist() == places
        assert facts.mask(Compare("attributes.x", ">=", wanted)).sum() == 2 * (count - wanted)
        assert facts.mask(Not(Compare("attributes.x", "<=", wanted))).sum() == 2 * (count - wanted)
    several = tuple(range(0, count, 3))
    assert facts.mask(OneOf("attributes.x", several)).sum() == 2 * len(several)
    assert facts.mask(Exists("attributes.x")).sum() == 2 * count


def test_numbers_compare_exactly():
    values = [2**53, 2**53 + 1, float(2**53), 2**63 - 1, 2**63, 2.0**63, 10**400, -(10**400), 1e308]
    values += [float("inf"), -float("inf"), NAN, True, 1, 1.0, 0.0, False]
    facts = attribute_rows(values)
    for wanted in values:
        for sign, holds in COMPARISONS.items():
            expected = [holds(value, wanted) for value in values]
            assert facts.mask(Compare("attributes.x", sign, wanted)).tolist() == expected
        expected = [value == wanted for value in values]
        assert facts.mask(OneOf("attributes.x", (wanted,))).tolist() == expected
    assert facts.mask(Exists("attributes.x")).all()


def test_half_characters_are_found_as_they_are_stored():
    facts = attribute_rows(["caf\udce9", "caf\\udce9", "café"])
    for wanted in ("caf\udce9", "caf\\udce9"):
        assert facts.mask(OneOf("attributes.x", (wanted,))).tolist() == [True, True, False]
    facts = Facts.from_rows([(1, "s", None, None, None, {"\udce9": 1, "\\udce9": 2})])
    assert facts.mask(Exists("attributes.\udce9")).tolist() == [True]


def test_many_rare_attributes_cost_little():
    facts = Facts.from_rows((id, "s", None, None, None, {f"name {id}": id}) for id in range(3000))
    assert len(written(facts)) < 3000 * 1500
    assert facts.mask(OneOf("attributes.name 17", (17,))).nonzero()[0].tolist() == [17]


@pytest.mark.parametrize("ids", [[2, 1], [1, 1]])
def test_ids_must_ascend(ids):
    with pytest.raises(ValueError, match="ascend"):
        Facts.from_rows((id, "s", None, None, None, {}) for id in ids)


def test_other_attributes_are_refused():
    with pytest.raises(TypeError, match="list"):
        attribute_rows([1, ["a"]])


def test_the_deepest_filter_is_answered():
    where = Exists("source")
    for _ in range(25):
        where = AnyOf((AllOf((where,)),))
    assert facts_of({1: GalleryItem("k", "u", "s")}).mask(where).tolist() == [True]
