"""The database: facts come back as they went in, filters are exact, damage is refused and named."""

import shutil
import sqlite3
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from gallery_makers import DIMENSION, ENCODER, assert_finds, make_item, make_items, queries, sql, writer
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import GalleryBusy, GalleryCorrupt, GalleryError, GalleryFull, GalleryMissing
from indexer.gallery import open_gallery
from indexer.items import Box, EmbeddedItem, GalleryItem, Rejected
from indexer.local.checked_rows import changed_facts
from indexer.local.database import connect_writer
from indexer.local.store import Store

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
VALUES = (
    TEXTS | st.integers(-(2**70), 2**70) | st.booleans() | st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
)


@pytest.fixture(scope="module")
def any_gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts") / "gallery"
    gallery = writer(folder)
    yield folder, gallery
    gallery.close()


@settings(max_examples=80, deadline=None)
@given(
    facts=st.builds(
        GalleryItem,
        key=TEXTS,
        uri=TEXTS,
        source=TEXTS,
        box=st.none() | st.builds(Box, *[st.floats(-1e6, 1e6, allow_nan=False)] * 4),
        camera=st.none() | TEXTS,
        seen_at=st.none() | TEXTS,
        track=st.none() | TEXTS,
        attributes=st.dictionaries(TEXTS, VALUES, max_size=4),
    )
)
def test_facts_come_back_as_they_went_in(any_gallery, facts):
    folder, gallery = any_gallery
    known = facts.key in gallery.known([facts.key])
    assert gallery.add([EmbeddedItem(facts, make_item(0).vector, b"jpeg")]) == (not known)
    if not known:
        id = sql(folder, "SELECT max(id) FROM item")[0][0]
        assert (gallery.get(id), gallery.thumbnail(id)) == (facts, b"jpeg")


def test_known_asks_about_thousands_of_keys_at_once(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 20), [Rejected("bad", "u", "s", "r")])
    gallery.remove(["key-4"])
    asked = [f"key-{number}" for number in range(3000)] + ["bad"]
    assert gallery.known(asked) == {f"key-{number}" for number in range(20)}
    assert gallery.known([]) == set()
    assert gallery.removed_keys(asked) == {"key-4"}
    assert gallery.removed_keys([]) == set()
    gallery.close()


def test_rejected_come_newest_first_and_once(tmp_path):
    gallery = writer(tmp_path / "g")
    first = [Rejected(f"bad-{n}", f"{n}.jpg", "s", "it is cut off.") for n in range(5)]
    gallery.add([], first)
    assert gallery.add([], [Rejected("bad-1", "1.jpg", "s", "another reason"), *first]) == 0
    assert gallery.rejected() == first[::-1]
    assert gallery.rejected(limit=2) == first[:2:-1]
    gallery.close()


def test_a_rejected_item_that_was_mended_is_rejected_no_more(tmp_path):
    gallery = writer(tmp_path / "g")
    mended = make_items(0, 1)
    gallery.add([], [Rejected(mended[0].item.key, "u", "s", "half copied."), Rejected("bad", "u", "s", "r")])
    assert gallery.add(mended) == 1
    assert [bad.key for bad in gallery.rejected()] == ["bad"]
    gallery.close()


def test_vectors_are_stored_as_half_precision_with_their_checksum(tmp_path):
    gallery = writer(tmp_path / "g")
    entries = make_items(0, 9)
    gallery.add(entries)
    rows = sql(tmp_path / "g", "SELECT value, crc FROM vector ORDER BY item_id")
    assert [value for value, _ in rows] == [e.vector.astype("<f2").tobytes() for e in entries]
    assert all(zlib.crc32(value) == crc for value, crc in rows)
    gallery.close()


def test_a_commit_is_durable_and_removals_are_overwritten(tmp_path):
    writer(tmp_path / "g").close()
    connection = connect_writer(tmp_path / "g" / "gallery.db")
    asked = ("journal_mode", "synchronous", "secure_delete", "page_size")
    settings_in_force = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
    connection.close()
    assert settings_in_force == ["wal", 2, 1, 16_384]


def damaged_copy(tmp_path, damage):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 200))
    gallery.build_generation()
    gallery.close()
    path = tmp_path / "g" / "gallery.db"
    data = bytearray(path.read_bytes())
    match damage:
        case "header":
            data[:16] = b"not a database!!"
        case "noise":
            data[:] = np.random.default_rng(0).bytes(len(data))
        case "empty":
            data.clear()
        case "half":
            del data[len(data) // 2 :]
        case "pages":
            data[16_384:] = b"\xa5" * (len(data) - 16_384)
    path.write_bytes(data)
    if damage == "gone":
        path.unlink()
    return path


@pytest.mark.parametrize("damage", ["header", "noise", "empty", "half", "pages", "gone"])
def test_a_damaged_database_is_refused_and_named(tmp_path, damage):
    path = damaged_copy(tmp_path, damage)

    def use(**how):
        gallery = open_gallery(tmp_path / "g", **how)
        try:
            gallery.search(queries(0), 5)
            gallery.known(["key-1"])
            for id in range(1, 201):
                gallery.get(id)
        finally:
            gallery.close()

    for how in ({}, {"write": True}, {"write": True, "create_for": ENCODER}):
        with pytest.raises(GalleryCorrupt, match="damaged") as caught:
            use(**how)
        assert str(path) in str(caught.value)


def test_a_changed_vector_is_noticed_before_it_is_searched(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 20))
    gallery.close()
    value = bytearray(sql(tmp_path / "g", "SELECT value FROM vector WHERE item_id = 7")[0][0])
    value[3] ^= 1
    sql(tmp_path / "g", "UPDATE vector SET value = ? WHERE item_id = 7", [bytes(value)])
    gallery = open_gallery(tmp_path / "g")
    assert gallery.verify() == ["the vector of item 7 does not fit its checksum."]
    with pytest.raises(GalleryCorrupt, match="the vector of item 7"):
        gallery.search(queries(0), 3)
    gallery.close()


def test_verify_says_what_does_not_belong_together(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 20))
    gallery.build_generation()
    sql(tmp_path / "g", "DELETE FROM item WHERE id = 3")
    sql(tmp_path / "g", "DELETE FROM vector WHERE item_id IN (8, 9)")
    problems = gallery.verify()
    assert problems[:3] == [
        "2 items have no vector.",
        "1 vectors belong to no item.",
        "1 thumbnails belong to no item.",
    ]
    assert "does not cover the items" in problems[3]
    gallery.close()


def test_another_programs_database_is_left_alone(tmp_path):
    (tmp_path / "g").mkdir()
    sql(tmp_path / "g", "CREATE TABLE theirs (x)")
    for how in ({}, {"write": True, "create_for": ENCODER}):
        with pytest.raises(GalleryError, match="no database of a cskt gallery"):
            open_gallery(tmp_path / "g", **how)
    assert sql(tmp_path / "g", "SELECT name FROM sqlite_master") == [("theirs",)]


def test_a_newer_format_is_refused(tmp_path):
    writer(tmp_path / "g").close()
    sql(tmp_path / "g", "PRAGMA user_version=99")
    with pytest.raises(GalleryError, match=r"newer cskt \(format 99\)"):
        open_gallery(tmp_path / "g")


def test_an_interrupted_creation_counts_as_no_gallery(tmp_path):
    (tmp_path / "g").mkdir()
    connect_writer(tmp_path / "g" / "gallery.db").close()
    for write in (False, True):
        with pytest.raises(GalleryMissing):
            open_gallery(tmp_path / "g", write=write)
    gallery = writer(tmp_path / "g")
    assert gallery.add(make_items(0, 3)) == 3
    gallery.close()


def test_a_full_database_loses_nothing_acknowledged(tmp_path):
    """SQLite's page limit answers exactly as a full disk does."""
    folder, entries = tmp_path / "g", []
    gallery = writer(folder)
    connection = gallery._writer._connection
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0] + 4}")

    def add_until_full():
        for start in range(0, 10_000, 50):
            gallery.add(make_items(start, 50))
            entries.extend(make_items(start, 50))

    with pytest.raises(GalleryFull, match=f"no room left on the disk of {folder}"):
        add_until_full()
    assert entries
    assert_finds(gallery, entries, queries(0))
    gallery.close()
    reader = open_gallery(folder)
    assert reader.verify() == []
    assert_finds(reader, entries, queries(1))
    reader.close()
    gallery = writer(folder)  # with room again, the same batch goes in
    assert gallery.add(make_items(len(entries), 50)) == 50
    gallery.close()


def test_a_locked_database_is_called_busy(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery._writer._connection.execute("PRAGMA busy_timeout=0")
    other = sqlite3.connect(tmp_path / "g" / "gallery.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(GalleryBusy, match="another process holds"):
        gallery.add(make_items(0, 3))
    other.execute("ROLLBACK")
    other.close()
    assert gallery.add(make_items(0, 3)) == 3
    gallery.close()


def test_a_copy_of_the_folder_is_the_same_gallery(tmp_path):
    gallery = writer(tmp_path / "g")
    entries = make_items(0, 30)
    gallery.add(entries)
    gallery.build_generation()
    gallery.close()
    shutil.move(tmp_path / "g", tmp_path / "moved")
    moved = open_gallery(tmp_path / "moved")
    assert moved.verify() == []
    assert_finds(moved, entries, queries(3))
    assert moved.dimension == DIMENSION
    moved.close()


def test_what_changed_is_found_without_reading_every_item(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 50))
    gallery.update("key-7", {"coat": "green"})
    asked = []
    gallery._store.connection().set_trace_callback(asked.append)
    changed_facts(gallery._store, 0)
    (plan,) = [row[3] for row in sql(tmp_path / "g", f"EXPLAIN QUERY PLAN {asked[-1]}")]
    assert "USING INDEX item_changed" in plan
    assert [row[0] for row in changed_facts(gallery._store, 0)] == [8]
    assert changed_facts(gallery._store, 1) == []
    gallery.close()


def test_threads_that_have_ended_leave_no_connection_open(tmp_path):
    writer(tmp_path / "g").close()
    store = Store(tmp_path / "g")
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        thread = threading.Thread(target=store.count, args=["item"])
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) < files + 10
    assert store.count("item") == 0
    store.close()


def test_a_new_gallery_in_a_folder_open_to_all_is_its_owners_alone(tmp_path):
    tmp_path.chmod(0o755)
    gallery = writer(tmp_path)
    gallery.add(make_items(0, 5))
    gallery.build_generation()
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")}
    gallery.close()
    assert {name for name, mode in modes.items() if mode} <= {"writer.lock"}  # it holds a process number
    assert {"gallery.db", "gallery.db-wal", "gallery.db-shm", "segments"} <= modes.keys()
