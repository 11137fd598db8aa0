"""Grouped results, against a full ranking by hand."""

import numpy as np
import pytest
from filter_makers import FILTERS
from gallery_makers import brute_force, make_item, queries, writer
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.grouping import Group, search_groups
from indexer.items import EmbeddedItem, GalleryItem, Hit


def with_burst(entry, burst):
    item = entry.item
    facts = {**item.attributes, "burst": burst} if burst else item.attributes
    item = GalleryItem(
        item.key, item.uri, item.source, item.box, item.camera, item.seen_at, item.track, facts
    )
    return EmbeddedItem(item, entry.vector, entry.thumbnail)


def name_of(item):
    if item.track is not None:
        return (item.source, item.camera, item.track)
    return item.attributes.get("burst", item.key)


def ranked(entries, query, k, where):
    """The keys of the best entries; in a new gallery their ids are 1, 2, 3..."""
    ids = {entry.item.key: id for id, entry in enumerate(entries, 1)}
    return [key for key, _ in brute_force(entries, query, k, where, ids)]


def grouped_by_hand(entries, query, where):
    """Every group of the whole ranking: its keys, best first."""
    items, groups = {entry.item.key: entry.item for entry in entries}, {}
    for key in ranked(entries, query, len(entries) or 1, where):
        groups.setdefault(name_of(items[key]), []).append(key)
    return list(groups.values())


class CountingGallery:
    """Passes searches on, and remembers how many rows were asked for."""

    def __init__(self, gallery) -> None:
        self._gallery, self.asked = gallery, []

    def __len__(self) -> int:
        return len(self._gallery)

    def search(self, vectors, k, where=None) -> list[list[Hit]]:
        self.asked.append(k)
        return self._gallery.search(vectors, k, where)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_groups_are_those_of_the_whole_ranking(tmp_path_factory, data) -> None:
    count = data.draw(st.integers(0, 60))
    kinds = data.draw(st.lists(st.sampled_from([None, "b1", "b2"]), min_size=count, max_size=count))
    ties = data.draw(st.sampled_from([None, 3]))
    entries = [
        with_burst(make_item(number, None if ties is None else number % ties), kind)
        for number, kind in enumerate(kinds)
    ]
    gallery = writer(tmp_path_factory.mktemp("g") / "gallery")
    try:
        gallery.add(entries)
        for _ in range(4):
            k, others, where = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 4)), data.draw(FILTERS)
            query = queries(data.draw(st.integers(0, 100)), 1)[0]
            truth = grouped_by_hand(entries, query, where)
            counting = CountingGallery(gallery)
            found = search_groups(counting, query, k, others, where)
            assert [group.best.item.key for group in found] == [group[0] for group in truth[:k]]
            read = set(ranked(entries, query, counting.asked[-1], where))
            for group, whole in zip(found, truth, strict=False):
                expected = [key for key in whole[1 : 1 + others] if key in read]
                assert [hit.item.key for hit in group.others] == expected
            assert counting.asked[-1] >= min(k * (1 + others), len(entries))
    finally:
        gallery.close()


def test_one_crowded_track_does_not_hide_the_others(tmp_path) -> None:
    query = queries(0, 1)[0]
    crowd = [EmbeddedItem(GalleryItem(f"c{n}", f"c{n}", "s", track="t"), query, b"") for n in range(500)]
    alone = [EmbeddedItem(GalleryItem(f"a{n}", f"a{n}", "s"), make_item(n).vector, b"") for n in range(3)]
    gallery = writer(tmp_path / "gallery")
    gallery.add(crowd + alone)
    counting = CountingGallery(gallery)
    first, *rest = search_groups(counting, query, 4, 2)
    assert (first.best.item.key, [hit.item.key for hit in first.others]) == ("c0", ["c1", "c2"])
    assert {group.best.item.key for group in rest} == {"a0", "a1", "a2"}
    assert max(counting.asked) <= len(gallery) + 1
    assert len(search_groups(counting, query, 10, 2)) == 4  # no more than there are
    gallery.close()


def test_tracks_of_one_name_at_two_cameras_are_two_passages(tmp_path) -> None:
    query = queries(0, 1)[0]
    places = [("s", "gate"), ("s", "shop"), ("other", "gate"), ("s", "gate")]
    entries = [
        EmbeddedItem(GalleryItem(f"k{n}", f"k{n}", source, camera=camera, track="1"), query, b"")
        for n, (source, camera) in enumerate(places)
    ]
    gallery = writer(tmp_path / "gallery")
    gallery.add(entries)
    groups = search_groups(gallery, query, 9, 9)
    assert [[group.best.id, *(hit.id for hit in group.others)] for group in groups] == [[1, 4], [2], [3]]
    gallery.close()


def test_what_holds_a_group_together_is_told() -> None:
    def kind(**facts) -> str:
        return Group(Hit(1, 0.5, GalleryItem("k", "u", "s", **facts)), ()).kind

    assert kind(track="7", attributes={"burst": "b"}) == "track"
    assert kind(attributes={"burst": "b"}) == "burst"
    assert kind() == ""


def test_no_group_or_less_than_none_is_misuse(tmp_path) -> None:
    gallery = writer(tmp_path / "gallery")
    for k, others in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="at least"):
            search_groups(gallery, np.ones(12, np.float32), k, others)
    gallery.close()
