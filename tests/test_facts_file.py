"""What is no file of facts is a ValueError; damaged bytes that still are one can be searched."""

import io
import json
import random

import numpy as np
import pytest
from filter_makers import FILTERS, random_item
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from indexer.filters import Exists
from indexer.local.facts import Facts

VALUES = (True, False, 1, 2, 2**70, 2**71, 0.5, 1.5, float("nan"), "red", "é", "blue", "")


def file_of(values):
    """The file of rows with these values of one attribute, and of a few others."""
    rng = random.Random(3)
    items = [(id, random_item(rng, id), value) for id, value in enumerate(values)]
    facts = Facts.from_rows(
        (id, item.source, item.camera, item.track, item.seen_at, {"rare": id} if id == 3 else {"x": value})
        for id, item, value in items
    )
    file = io.BytesIO()
    facts.write(file)
    return file.getvalue()


FILE = file_of(VALUES)


def read(data):
    return Facts.read(io.BytesIO(data))


def place_of(field):
    columns = json.loads(load(FILE)["head"].tobytes())["columns"]
    return next(place for place, column in enumerate(columns) if column["field"] == field)


X, RARE = place_of("attributes.x"), place_of("attributes.rare")


def test_the_file_is_what_was_written():
    facts = read(FILE)
    assert facts.ids.tolist() == list(range(len(VALUES)))
    found = {(type(value), repr(value)) for value, _ in facts.counts("attributes.x")}
    assert found == {(type(value), repr(value)) for place, value in enumerate(VALUES) if place != 3}


def test_a_file_without_rows_is_one():
    file = io.BytesIO()
    Facts.from_rows([]).write(file)
    assert len(read(file.getvalue())) == 0


def test_it_is_read_in_pieces():
    class Dribble:
        def __init__(self, data):
            self.stream = io.BytesIO(data)

        def read(self, size, /):
            return self.stream.read(min(size, 7))

    assert Facts.read(Dribble(FILE)).counts("attributes.x") is not None


@settings(max_examples=400, deadline=None)
@given(data=st.data(), where=FILTERS)
def test_damaged_files_are_refused_or_still_facts(data, where):
    damaged = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(FILE) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = read(bytes(damaged))
    except ValueError:
        return
    assert facts.mask(where).shape == facts.mask(Exists("attributes.x")).shape == (len(facts),)
    for field in facts.columns:
        facts.counts(field)
    facts.changed([(1, "s", "c", None, None, {"x": "new"})])


def test_cut_files_are_refused():
    for length in range(0, len(FILE), 5):
        with pytest.raises(ValueError):  # noqa: PT011
            read(FILE[:length])


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 8, b"\xff" * 100, b"\x80\x04\x95pickle", save({"a": np.ones(3)})]
)
def test_other_files_are_refused(data):
    with pytest.raises(ValueError, match="facts"):
        read(data)


def changed_head(**changes):
    return np.frombuffer(json.dumps({"format": 1, "columns": []} | changes).encode(), np.uint8)


def column(**changes):
    head = json.loads(load(FILE)["head"].tobytes())
    head["columns"][X] |= changes
    return np.frombuffer(json.dumps(head).encode(), np.uint8)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("ids", np.arange(len(VALUES))[::-1].copy()),
        ("ids", np.arange(len(VALUES), dtype=np.int32)),
        ("ids", np.arange(len(VALUES)).reshape(1, -1)),
        ("ids", np.arange(len(VALUES) - 1)),
        ("head", changed_head(format=2)),
        ("head", changed_head(columns=[7])),
        ("head", changed_head(columns=[{"field": "a"}])),
        ("head", np.frombuffer(b"[" * 100_000, np.uint8)),
        ("head", np.frombuffer(b"null", np.uint8)),
        ("head", column(truths=[True, False])),
        ("head", column(truths="no")),
        ("head", column(large=["x"])),
        ("head", column(large=[hex(2**71), hex(2**70)])),
        (f"{X}.codes", np.full(len(VALUES), 200, np.uint8)),
        (f"{X}.codes", np.full(len(VALUES), len(VALUES), np.uint8)),
        (f"{X}.codes", np.zeros(len(VALUES), np.int8)),
        (f"{X}.codes", np.zeros(len(VALUES), np.uint64)),
        (f"{X}.codes", np.zeros(len(VALUES) + 1, np.uint8)),
        (f"{X}.integers", np.array([2, 1])),
        (f"{X}.floats", np.array([0.5, np.nan, 1.5])),
        (f"{X}.floats", np.array([0.5, np.nan, np.nan])),
        (f"{X}.floats", np.array(1.5)),
        (f"{X}.letters", np.frombuffer(b"bluered", np.uint8)),
        (f"{X}.letters", np.frombuffer(b"bluered\xff\xff", np.uint8)),
        (f"{X}.letters", np.zeros(9)),
        (f"{X}.ends", np.array([], np.uint8)),
        (f"{X}.ends", np.array([0, 4, 7, 8], np.uint8)),
        (f"{X}.ends", np.array([0, 4, 8, 9], np.uint8)),
        (f"{X}.ends", np.array([0, 7, 4, 9], np.uint8)),
        (f"{RARE}.places", np.array([len(VALUES)], np.uint8)),
        (f"{RARE}.places", np.array([3, 3], np.uint8)),
        (f"{RARE}.places", np.array([], np.uint8)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(name, array):
    arrays = load(FILE)
    assert name in arrays
    with pytest.raises(ValueError):  # noqa: PT011
        read(save(arrays | {name: array}))
