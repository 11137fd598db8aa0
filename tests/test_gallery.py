"""The gallery through its one door, `open_gallery`: what it finds, whom it refuses, how it goes on."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filter_makers import FILTERS
from gallery_makers import (
    DIMENSION,
    ENCODER,
    assert_finds,
    brute_force,
    index_files,
    make_item,
    make_items,
    queries,
    sql,
    unit,
    writer,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem, Rejected
from indexer.local import snapshot


@pytest.fixture(scope="module")
def mixed_gallery(tmp_path_factory):
    """Rows in an index file, in a part that stays, in the tail, and removed from each of them."""
    folder = tmp_path_factory.mktemp("mixed") / "gallery"
    entries = [make_item(number, group=number % 250) for number in range(600)]
    kept = [entry for number, entry in enumerate(entries) if number % 50 != 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "TAIL_ROWS", 100)
        gallery = writer(folder)
        gallery.add(entries[:300])
        gallery.build_generation()
        for start, stop in ((300, 520), (520, 600)):
            gallery.add(entries[start:stop])
            gallery.refresh()
        gallery.remove([entry.item.key for entry in entries if entry not in kept])
        held = gallery._snapshot
        assert [len(part.index) for part in held.parts] == [300, 220, 80]
        assert held.tail
        yield lambda: (gallery, kept)  # short when a failure is printed
        gallery.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.none() | FILTERS, k=st.integers(1, 30), seed=st.integers(0, 999))
def test_any_filter_answers_as_brute_force(mixed_gallery, where, k, seed):
    gallery, entries = mixed_gallery()
    assert_finds(gallery, entries, queries(seed, 2), k, where)


def test_adding_again_adds_nothing_and_the_first_facts_stay(tmp_path):
    gallery = writer(tmp_path / "g")
    first = make_items(0, 20)
    assert gallery.add(first) == 20
    other = EmbeddedItem(GalleryItem("key-3", "elsewhere", "other"), first[9].vector, b"other")
    assert gallery.add([other, *first, first[0]]) == 0
    assert len(gallery) == 20
    assert_finds(gallery, first, queries(1), 20)
    gallery.close()


def test_a_batch_with_an_impossible_vector_is_refused_whole(tmp_path):
    gallery = writer(tmp_path / "g")
    good, item = make_items(0, 3), make_item(9).item
    for vector in (np.ones(DIMENSION, np.float32), np.full(DIMENSION, np.nan, np.float32), unit(np.ones(5))):
        with pytest.raises(ValueError, match="key-9"):
            gallery.add([*good, EmbeddedItem(item, vector, b"")])
        assert len(gallery) == 0
    gallery.close()


def test_what_was_removed_is_never_found_nor_added_again(tmp_path):
    entries = make_items(0, 40)
    gallery = writer(tmp_path / "g")
    gallery.add(entries)
    gallery.build_generation()
    reader = open_gallery(tmp_path / "g")
    id = reader.search(entries[5].vector[None], 1)[0][0].id
    assert gallery.remove(["key-5", "key-5", "never there"]) == 1
    # The reader has not been refreshed: it notices by itself that a hit has no facts any more.
    assert_finds(reader, entries[:5] + entries[6:], entries[5].vector[None], 3)
    assert_finds(reader, entries[:5] + entries[6:], queries(2), 40)
    assert (reader.get(id), reader.thumbnail(id)) == (None, None)
    assert gallery.add(entries[:10]) == 0
    gallery.build_generation()
    vector_bytes = entries[5].vector.astype("<f2").tobytes()
    stored = [path.read_bytes() for path in (tmp_path / "g").rglob("*") if path.is_file()]
    assert not any(vector_bytes in data or b"pictures/5.jpg" in data for data in stored)
    assert any(entries[6].vector.astype("<f2").tobytes() in data for data in stored)
    reader.close()
    gallery.close()


def test_removing_everything_leaves_no_index_file(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 30))
    gallery.build_generation()
    gallery.remove([f"key-{number}" for number in range(30)])
    gallery.build_generation()
    assert index_files(tmp_path / "g") == []
    assert gallery.search(queries(0), 3) == [[], [], []]
    assert gallery.verify() == []
    gallery.close()


def test_a_reader_sees_after_refresh_what_another_handle_wrote(tmp_path):
    entries = make_items(0, 60)
    gallery = writer(tmp_path / "g")
    reader = open_gallery(tmp_path / "g")
    assert reader.search(queries(0), 3) == [[], [], []]
    gallery.add(entries[:25])
    assert reader.search(queries(0), 3) == [[], [], []]
    assert reader.refresh()
    assert not reader.refresh()
    assert_finds(reader, entries[:25], queries(0))
    gallery.build_generation()
    assert reader.refresh()
    assert (reader.stats().generation, reader.stats().indexed_in_generation, reader.stats().fresh) == (
        1,
        25,
        0,
    )
    gallery.add(entries[25:])
    assert reader.refresh()
    assert (reader.stats().indexed_in_generation, reader.stats().fresh) == (25, 35)
    assert_finds(reader, entries, queries(0))
    gallery.close()
    assert_finds(reader, entries, queries(1))
    reader.close()


def test_searches_in_many_threads_while_one_writes(tmp_path, monkeypatch):
    """Each answer equals brute force over whole batches: none is seen in part, none goes back."""
    monkeypatch.setattr(snapshot, "TAIL_ROWS", 30)
    entries, wanted = make_items(0, 200), queries(4, 1)
    after_batch = [brute_force(entries[:stop], wanted[0], 5) for stop in range(0, 201, 10)]
    batch_of = {tuple(key for key, _ in found): batch for batch, found in enumerate(after_batch)}
    gallery = writer(tmp_path / "g")
    reader = open_gallery(tmp_path / "g")
    done, all_have_searched = threading.Event(), threading.Barrier(4)

    def search_until_done():
        seen = [batch_of[tuple(hit.item.key for hit in reader.search(wanted, 5)[0])]]
        all_have_searched.wait()
        while not done.is_set():
            reader.refresh()
            keys = tuple(hit.item.key for hit in reader.search(wanted, 5)[0])
            seen.append(batch_of.get(keys, -1))
        return seen

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(search_until_done) for _ in range(3)]
        try:
            all_have_searched.wait()
            for start in range(0, 200, 10):
                gallery.add(entries[start : start + 10])
                if start % 50 == 40:
                    gallery.build_generation()
        finally:
            done.set()
    for run in runs:
        seen = run.result()
        assert -1 not in seen
        assert seen == sorted(seen)
    reader.refresh()
    assert_finds(reader, entries, queries(5))
    reader.close()
    gallery.close()


def test_facts_for_people(tmp_path):
    entries = make_items(0, 50)
    gallery = writer(tmp_path / "g")
    gallery.add(entries, [Rejected("bad", "broken.jpg", "folder-0", "it is cut off.")])
    stats = gallery.stats()
    facts = [entry.item for entry in entries]
    assert (stats.items, stats.rejected, stats.encoder) == (50, 1, "toy")
    assert (stats.fingerprint, stats.dimension, stats.generation, stats.fresh) == (*ENCODER[1:], None, 50)
    cameras = {item.camera for item in facts} - {None}
    assert stats.cameras == {camera: sum(i.camera == camera for i in facts) for camera in cameras}
    assert sum(stats.sources.values()) == 50
    times = sorted(item.seen_at for item in facts if item.seen_at)
    assert (stats.first_seen, stats.last_seen) == (times[0], times[-1])
    assert stats.bytes_on_disk == sum(p.stat().st_size for p in (tmp_path / "g").rglob("*") if p.is_file())
    gallery.close()


@pytest.mark.parametrize("vectors", [np.zeros(DIMENSION, np.float32), np.zeros((1, 5), np.float32)])
def test_vectors_of_another_shape_are_a_mistake_of_the_caller(tmp_path, vectors):
    gallery = writer(tmp_path / "g")
    with pytest.raises(ValueError, match="shape"):
        gallery.search(vectors, 3)
    with pytest.raises(ValueError, match="k=0"):
        gallery.search(queries(0), 0)
    gallery.close()


def test_a_gallery_that_ends_orderly_is_one_file_and_its_index(tmp_path, caplog):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 10))
    gallery.build_generation()
    gallery.build_generation()  # nothing new: no second segment
    gallery.close()
    found = sorted(path.name for path in (tmp_path / "g").rglob("*") if path.is_file())
    (rows,) = index_files(tmp_path / "g")
    (facts,) = (tmp_path / "g" / "segments").glob("*.facts")
    assert found == sorted([rows.name, facts.name, "gallery.db", "writer.lock"])
    assert sql(tmp_path / "g", "SELECT count(*) FROM segment") == [(1,)]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
