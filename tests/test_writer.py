"""One key is stored, rejected or removed, whatever a source says of it and in whichever order."""

import json

import pytest
from gallery_makers import bytes_below, make_items, sql, writer
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.items import Box, GalleryItem, Rejected
from indexer.local.rows import item_rows

TEXTS = st.text() | st.sampled_from(["},\n{", '"}, {"', ",\n", ", ", "\\n", "\udce9", "ä", "\u2028", ""])
VALUES = TEXTS | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=3)
BAD = Rejected("key-1", "elsewhere/1.jpg", "folder-0", "is torn.")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, ATTRIBUTES, st.none() | TEXTS), max_size=4), st.booleans())
def test_rows_of_many_items_are_what_each_alone_would_be(facts, plain):
    """Against the standard library, one item and one text at a time."""
    if plain:
        facts = [(ascii(text), {}, None) for text, *_ in facts]
    items = [
        GalleryItem(text, text, "s", Box(1, 2, 3, 4.5), None, None, track, data)
        for text, data, track in facts
    ]
    rows = item_rows(items, "now")
    for (text, data, track), row in zip(facts, rows, strict=True):
        attributes = json.dumps(data, ensure_ascii=False)
        expected = [text, text, "s", "[1, 2, 3, 4.5]", None, None, track, attributes, "now"]
        assert list(row) == [one and one.encode("utf-8", "backslashreplace").decode() for one in expected]


def test_attributes_that_are_no_plain_values_store_nothing():
    for value in (float("nan"), [{"a": 1}, {"b": 2}]):
        with pytest.raises(ValueError, match=r"JSON|zip\(\)"):
            item_rows([GalleryItem("k", "u", "s", attributes={"x": value})], "now")


@pytest.mark.parametrize("later", [False, True])
def test_a_source_that_names_a_key_twice_does_not_keep_its_item_from_being_erased(tmp_path, later):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5), [] if later else [BAD])
    gallery.add([], [BAD])
    assert gallery.rejected() == []
    assert gallery.remove(["key-1"], erase=True) == 1
    gallery.close()


@pytest.mark.parametrize("erase", [False, True])
def test_a_removed_key_does_not_come_back_as_a_rejected_one(tmp_path, erase):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5))
    gallery.remove(["key-1"], erase=erase)
    gallery.add([], [BAD, Rejected("key-9", "u", "s", "is torn.")])
    assert [bad.key for bad in gallery.rejected()] == ["key-9"]
    gallery.close()
    assert (BAD.uri.encode() in bytes_below(tmp_path / "g")) is False


def test_an_erasure_that_was_cut_off_before_it_removed_anything_can_be_repeated(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5))
    gallery._writer.remove_rejected(["key-1"])
    assert sql(tmp_path / "g", "SELECT * FROM removal") == []
    assert gallery.remove(["key-1"], erase=True) == 1
    gallery.close()
