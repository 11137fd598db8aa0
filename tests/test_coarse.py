"""Approximate indexes only propose: scores and filtered searches are exact, recall is measured."""

import logging

import numpy as np
import pytest
from filter_makers import FILTERS
from gallery_makers import (
    DIMENSION,
    ENCODER,
    assert_finds,
    brute_force,
    change,
    derived_files,
    make_items,
    queries,
    sql,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer import vectors
from indexer.errors import GalleryError
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem
from indexer.local import coarse_building
from indexer.local.gallery import LocalGallery
from indexer.vectors.coarse import Tuning
from indexer.vectors.device_index import DeviceIndex

ROWS = 1500
KINDS = ("ivf", "hnsw", "quantised", "IVF16,PQ3x4fs", "OPQ6,HNSW8,Flat", "SQ8")


@pytest.fixture(autouse=True)
def few_rows_suffice(monkeypatch):
    monkeypatch.setattr(vectors, "LEAST_ROWS", 500)
    monkeypatch.setattr(coarse_building, "PROBES", 60)


def writer(folder, kind):
    return open_gallery(folder, create_for=ENCODER, write=True, kind=kind)


def recall(gallery, entries, wanted, k=10):
    """The share of the k best that a search finds; every score it reports must be the true one."""
    truth = {entry.item.key: entry.vector.astype(np.float16).astype(np.float64) for entry in entries}
    found = 0
    for query, hits in zip(wanted, gallery.search(wanted, k), strict=True):
        for hit in hits:
            assert hit.score == pytest.approx(float(truth[hit.item.key] @ query.astype(np.float64)), abs=1e-9)
        best = {key for key, _ in brute_force(entries, query, k)}
        found += len(best & {hit.item.key for hit in hits})
    return found / (k * len(wanted))


@pytest.fixture(scope="module", params=KINDS)
def approximate(request, tmp_path_factory):
    """A gallery of each kind: covered rows, removed ones, and fresh ones behind the index."""
    entries = make_items(0, ROWS)
    folder = tmp_path_factory.mktemp("approximate") / "g"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "LEAST_ROWS", 500)
        patch.setattr(coarse_building, "PROBES", 60)
        gallery = writer(folder, request.param)
        gallery.add(entries[:-100])
        gallery.build_generation()
    gallery.add(entries[-100:])
    kept = [entry for number, entry in enumerate(entries) if number % 10]
    gallery.remove([entry.item.key for number, entry in enumerate(entries) if not number % 10])
    assert gallery.current().coarse is not None
    yield lambda: (gallery, kept)
    gallery.close()


def test_what_is_promised_is_found(approximate):
    gallery, entries = approximate()
    assert recall(gallery, entries, queries(1, 200)) >= 0.97  # probes differ from these queries
    assert "recall@10" in gallery.stats().index
    assert gallery.verify() == []


@pytest.mark.parametrize("k", [10, 50, 200])
def test_the_recall_holds_for_more_hits_too(approximate, k):
    gallery, entries = approximate()
    assert recall(gallery, entries, queries(2, 60), k) >= 0.97


def test_more_hits_take_as_many_proposals_as_was_measured():
    tuning = Tuning("", 1, 4, 0.99, 10, 200, further=[[30, 8], [100, 16]])
    assert [tuning.proposals(hits) for hits in (1, 10, 11, 30, 31, 100)] == [4, 40, 88, 240, 496, 1600]
    assert tuning.reach == 100
    assert Tuning(**{**tuning.as_dict(), "further": ()}).reach == 10
    with pytest.raises(ValueError, match="101 hits are more than the 100"):
        tuning.proposals(101)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=FILTERS, k=st.integers(1, 30), seed=st.integers(0, 999))
def test_a_filtered_search_is_exact_on_every_kind(approximate, where, k, seed):
    gallery, entries = approximate()
    assert_finds(gallery, entries, queries(seed, 2), k, where)


def test_a_reader_searches_by_the_file_as_it_was_tuned(approximate):
    gallery, _ = approximate()
    reader = open_gallery(gallery.folder)
    asked = queries(4, 20)
    assert reader.search(asked, 7) == gallery.search(asked, 7)
    assert reader.current().coarse.file == gallery.current().coarse.file
    reader.close()


def test_fresh_rows_are_found_exactly(tmp_path):
    entries = make_items(0, 800)
    gallery = writer(tmp_path / "g", "ivf")
    gallery.add(entries[:700])
    gallery.build_generation()
    gallery.add(entries[700:])
    for entry in entries[700:730]:
        ((hit, *_),) = gallery.search(entry.vector[None], 3)
        assert hit.item == entry.item
    gallery.close()


def test_it_is_made_anew_when_enough_has_changed_and_not_before(tmp_path):
    gallery = writer(tmp_path / "g", "ivf")
    gallery.add(make_items(0, 800))
    gallery.build_generation()
    first = gallery.current().coarse.file
    gallery.add(make_items(800, 150))
    gallery.build_generation()
    assert gallery.current().coarse.file == first
    gallery.remove([f"key-{number}" for number in range(100)])
    gallery.build_generation()
    second = gallery.current().coarse.file
    assert (second.rows, second.up_to) == (850, 950)
    assert [path.suffix for path in derived_files(tmp_path / "g")].count(".coarse") == 1
    gallery.close()


def test_a_kind_that_cannot_reach_the_recall_is_refused(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("indexer.vectors.coarse.WIDEST", 2)
    entries = make_items(0, 900)
    gallery = writer(tmp_path / "g", "PQ1x4")
    gallery.add(entries)
    gallery.build_generation()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "PQ1x4 finds only" in warning
    assert_finds(gallery, entries, queries(0), 10)
    gallery.close()
    gallery = open_gallery(tmp_path / "g", write=True)
    assert (gallery.stats().index_kind, gallery.stats().index) == ("exact", "every row is scanned: exact")
    gallery.add(make_items(900, 10))
    gallery.build_generation()  # it is not tried again
    assert len(caplog.records) == 1
    gallery.close()


def test_a_writer_that_stays_open_does_not_try_a_refused_kind_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("indexer.vectors.coarse.WIDEST", 2)
    gallery = writer(tmp_path / "g", "PQ1x4")
    for start in (0, 900):
        gallery.add(make_items(start, 900))
        gallery.build_generation()
    assert len(caplog.records) == 1
    gallery.use_kind("SQ8")  # another one is tried
    gallery.build_generation()
    assert gallery.stats().index.startswith("SQ8")
    gallery.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_one_costs_a_warning_and_speed(tmp_path, caplog, damage):
    entries = make_items(0, 600)
    gallery = writer(tmp_path / "g", "hnsw")
    gallery.add(entries)
    gallery.build_generation()
    gallery.close()
    (path,) = (tmp_path / "g" / "segments").glob("*.coarse")
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 16
        path.write_bytes(data[:-1] if damage == "cut" else data)
    reader = open_gallery(tmp_path / "g")
    assert_finds(reader, entries, queries(0), 10)
    change(tmp_path / "g", "gallery", "changes = changes + 1")
    assert reader.refresh()
    assert len([record for record in caplog.records if path.name in record.getMessage()]) == 1
    assert any(path.name in problem for problem in reader.verify())
    gallery = open_gallery(tmp_path / "g", write=True)
    gallery.build_generation()
    assert gallery.verify() == []
    assert gallery.current().coarse is not None
    assert reader.refresh()
    assert reader.current().coarse is not None
    reader.close()
    gallery.close()


def test_a_kind_that_is_none_is_refused_before_a_gallery_is_made(tmp_path):
    for kind in ("faster", "IVFx,Flat", f"PQ{DIMENSION - 1}", ""):
        with pytest.raises(GalleryError, match="no kind of index"):
            writer(tmp_path / "g", kind)
    assert not (tmp_path / "g").exists()


def test_small_galleries_are_scanned_whatever_their_kind(tmp_path):
    gallery = writer(tmp_path / "g", "hnsw")
    gallery.add(make_items(0, 400))
    gallery.build_generation()
    assert gallery.current().coarse is None
    assert sql(tmp_path / "g", "SELECT count(*) FROM coarse") == [(0,)]
    gallery.close()


def test_auto_goes_by_the_size_of_the_vectors():
    assert vectors.factory_of("auto", 1_000_000, 512) is None
    assert vectors.factory_of("auto", 1_000_000, 768) == "PQ192x4fs"
    assert vectors.factory_of("auto", 10_000_000, 512) == "PQ128x4fs"
    assert vectors.factory_of("auto", 20_000_000, 512) == "IVF8192,PQ128x4fs"
    assert vectors.factory_of("exact", 30_000_000, 512) is None
    assert vectors.factory_of("quantised", 1_000_000, 513) == "PQ57x4fs"
    assert vectors.factory_of("OPQ64,IVF1024,PQ64", 1_000_000, 512) == "OPQ64,IVF1024,PQ64"


def test_equal_rows_tie_by_id(tmp_path):
    """Rows of one vector: whichever of them are proposed, the score of each is the same."""
    entries = make_items(0, 600)
    same = [
        EmbeddedItem(entry.item, entries[number % 60].vector, b"") for number, entry in enumerate(entries)
    ]
    gallery = writer(tmp_path / "g", "SQ8")
    gallery.add(same)
    gallery.build_generation()
    hits = gallery.search(entries[7].vector[None], 10)[0]
    assert [hit.item.key for hit in hits] == [f"key-{7 + 60 * turn}" for turn in range(10)]
    gallery.close()


def test_on_a_device_every_row_is_scanned(approximate):
    """The device here is the CPU by torch, as its GPUs are used."""
    gallery, entries = approximate()
    reader = LocalGallery(gallery.folder, devices=("cpu",))
    assert_finds(reader, entries, queries(5), 20)
    assert reader.current().coarse is None
    assert {type(part.index) for part in reader.current().parts if part.segment} == {DeviceIndex}
    reader.close()


@pytest.mark.parametrize("k", [50, 400, 2000])
def test_as_many_are_found_as_are_wanted(approximate, k):
    gallery, entries = approximate()
    for hits in gallery.search(queries(9, 5), k):
        assert len({hit.id for hit in hits}) == min(k, len(entries))
