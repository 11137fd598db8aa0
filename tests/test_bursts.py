"""Bursts, against a plain reading of their rule that remembers everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.bursts import MOST_OPEN, MOST_STREAMS, Bursts
from indexer.items import EmbeddedItem, GalleryItem

COSINE = 0.9
SECONDS = 5.0


def at(angle: float) -> np.ndarray:
    """A direction in the plane; two of them are as alike as the cosine of the angle between them."""
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def crop(number, angle=0.0, camera="gate", second=None, track=None, folder="f", picture=None, **attributes):
    moment = None if second is None else f"2026-05-01T12:{second // 60:02d}:{second % 60:02d}.000Z"
    uri = f"/{folder}/{number if picture is None else picture}.jpg"
    item = GalleryItem(
        f"k{number}", uri, "s", camera=camera, seen_at=moment, track=track, attributes=attributes
    )
    return EmbeddedItem(item, at(angle), b"")


def marks(entries, size=None, bursts=None):
    bursts = bursts or Bursts(COSINE, SECONDS)
    size = size or len(entries) or 1
    batches = [entries[start : start + size] for start in range(0, len(entries), size)]
    return [entry.item.attributes.get("burst") for batch in batches for entry in bursts.mark(batch)]


def pattern(found):
    """`[x, y, x]` -> `[0, 1, 0]`: who belongs together, whatever the ids."""
    order = list(dict.fromkeys(found))
    return [None if mark is None else order.index(mark) for mark in found]


def twin(entries):
    """The rule of the module's docstring, over lists that are kept whole."""
    streams, found = {}, []
    for entry in entries:
        item = entry.item
        if item.track is not None or "burst" in item.attributes:
            found.append(item.attributes.get("burst"))
            continue
        name = ("camera", item.camera) if item.camera is not None else ("folder", item.uri.rsplit("/", 1)[0])
        seen = streams.setdefault(name, [])  # (burst, uri, time, vector) of each crop of this stream
        best = None
        for burst in {burst: None for burst, *_ in seen}:
            crops = [(place, *rest) for place, (mark, *rest) in enumerate(seen) if mark == burst]
            first, (place, uri, moment, _) = crops[0][3], crops[-1]
            if item.seen_at is None or moment is None:
                near = item.seen_at is moment and place == len(seen) - 1
            else:
                second = [int(text[14:16]) * 60 + float(text[17:23]) for text in (item.seen_at, moment)]
                near = abs(second[0] - second[1]) <= SECONDS
            likeness = float(first @ entry.vector)
            if near and uri != item.uri and likeness >= COSINE and (best is None or likeness > best[0]):
                best = (likeness, burst)
        burst = best[1] if best else f"burst of {item.key}"
        seen.append((burst, item.uri, item.seen_at, entry.vector))
        found.append(burst)
    return found


CROPS = st.lists(
    st.tuples(
        st.floats(0, 1.5).map(lambda angle: round(angle, 2)),
        st.sampled_from(["gate", "shop", None]),
        st.none() | st.integers(0, 40),
        st.sampled_from([None, None, None, "t1"]),
        st.sampled_from(["f", "g"]),
        st.none() | st.integers(0, 3),
    ),
    max_size=MOST_OPEN,
)


@settings(max_examples=300, deadline=None)
@given(CROPS, st.integers(1, 20))
def test_bursts_are_those_of_the_rule_however_the_batches_fall(rows, size) -> None:
    entries = [crop(number, *row) for number, row in enumerate(rows)]
    assert pattern(marks(entries, size)) == pattern(twin(entries))


def test_a_burst_goes_on_over_batches_and_ends_with_time_or_likeness() -> None:
    rows = [(0.0, 0), (0.1, 3), (0.2, 8), (0.2, 14), (1.2, 15), (0.2, 16)]
    entries = [crop(number, angle, second=second) for number, (angle, second) in enumerate(rows)]
    assert pattern(marks(entries, 1)) == [0, 0, 0, 1, 2, 1]


def test_likeness_does_not_creep_away_from_the_first() -> None:
    entries = [crop(number, 0.2 * number) for number in range(8)]
    assert pattern(marks(entries)) == [0, 0, 0, 1, 1, 1, 2, 2]


def test_ids_are_short_and_tell_nothing_of_a_key() -> None:
    entries = [crop(number) for number in range(3)]
    [mark] = set(marks(entries))
    assert len(mark) == 12
    assert mark != marks(entries)[0]  # whoever knows a key cannot ask whether its person was here


def test_facts_are_left_as_they_are() -> None:
    tracked, given_one = crop(0, track="t"), crop(1, burst="mine", coat="red")
    plain = crop(2, coat="blue")
    marked = Bursts(COSINE).mark([tracked, given_one, plain])
    assert marked[0] is tracked
    assert marked[1] is given_one
    assert marked[2].item.attributes["coat"] == "blue"
    assert marked[2].item.track is None
    assert plain.item.attributes == {"coat": "blue"}


def test_two_boxes_of_one_picture_are_two_people() -> None:
    assert pattern(marks([crop(0, picture="p"), crop(1, picture="p")])) == [0, 1]


def test_shards_are_streams_of_their_own() -> None:
    entries = [crop(number, camera=None) for number in range(4)]
    uris = ["/x/s-0.tar#a/1.jpg", "/x/s-0.tar#b/2.jpg", "/x/s-1.tar#a/1.jpg", "/x/s-0.tar#c/3.jpg"]
    entries = [
        EmbeddedItem(GalleryItem(entry.item.key, uri, "s"), entry.vector, b"")
        for entry, uri in zip(entries, uris, strict=True)
    ]
    assert pattern(marks(entries)) == [0, 0, 1, 0]


@pytest.mark.parametrize("kind", ["cameras", "people"])
def test_what_is_remembered_is_bounded(kind) -> None:
    bursts = Bursts(COSINE)
    many = 3 * max(MOST_STREAMS, MOST_OPEN)
    for number in range(many):
        camera = f"c{number}" if kind == "cameras" else "gate"
        marks([crop(number, angle=number, camera=camera, second=0)], bursts=bursts)
    assert len(bursts._streams) <= MOST_STREAMS
    assert all(len(stream.open) <= MOST_OPEN for stream in bursts._streams.values())
