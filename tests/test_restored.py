"""A gallery after a backup was put back: under searches, killed anywhere, without those removed since."""

import json
import shutil
import time

import pytest
from gallery_makers import (
    assert_finds,
    assert_holds,
    bytes_below,
    change,
    filled,
    make_item,
    make_items,
    queries,
    sql,
    writer,
)
from gallery_processes import OtherProcess

from indexer.errors import FingerprintMismatch, GalleryError
from indexer.gallery import open_gallery
from indexer.items import Rejected
from indexer.local.backup import back_up, restore
from indexer.local.store import Store

KILLS = 20


@pytest.fixture
def other_process():
    process = OtherProcess()
    yield process
    process.close()


def test_restoring_brings_back_facts_and_loses_what_came_later(tmp_path):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    reader = open_gallery(tmp_path / "g")
    assert_finds(reader, entries, queries(1))
    gallery = writer(tmp_path / "g")
    gallery.update("key-3", {"coat": "green"})
    gallery.add(make_items(40, 10))
    gallery.build_generation()
    gallery.close()
    restore(tmp_path / "b.db", tmp_path / "g", force=True)
    assert reader.refresh()
    assert_finds(reader, entries, queries(1), 50)
    reader.close()
    gallery = writer(tmp_path / "g")
    gallery.add([make_item(99)])
    # The ids 41 to 50 stood for others: whoever still knows one must not meet somebody else under it.
    assert sql(tmp_path / "g", "SELECT id FROM item WHERE key = 'key-99'") == [(51,)]
    gallery.update("key-5", {"coat": "green"})
    green = [
        hit.item.key for hit in gallery.search(queries(0, 1), 50)[0] if hit.item.attributes["coat"] == "green"
    ]
    assert green == ["key-5"]
    gallery.close()
    sound = open_gallery(tmp_path / "g")
    assert sound.verify() == []
    sound.close()


def test_what_came_later_is_lost_only_when_that_is_said(tmp_path):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    gallery.remove(["key-3"])
    gallery.add(make_items(40, 10))
    gallery.close()
    later = [*(entry for entry in entries if entry.item.key != "key-3"), *make_items(40, 10)]
    with pytest.raises(GalleryError, match=r"holds 10 items that .*b\.db lacks.*--force"):
        restore(tmp_path / "b.db", tmp_path / "g")
    assert_holds(tmp_path / "g", later)
    gallery = writer(tmp_path / "g")
    gallery.remove([f"key-{number}" for number in range(40, 50)])
    gallery.close()
    restore(tmp_path / "b.db", tmp_path / "g")  # now nobody is lost by it
    assert_holds(tmp_path / "g", later[:39])


def test_where_nothing_knows_of_removals_it_has_to_be_said(tmp_path):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    with pytest.raises(GalleryError, match=r"nothing at .* says who was removed since .*--ledger"):
        restore(tmp_path / "b.db", tmp_path / "new")
    assert restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / "g"]).items == 40
    assert_holds(tmp_path / "new", entries)


def remove_one(gallery):
    gallery.remove(["key-3"])


@pytest.mark.parametrize(
    "step",
    [remove_one, lambda gallery: gallery.add([make_item(50)]), lambda gallery: gallery.update("key-5", {})],
)
def test_a_ledger_that_is_older_than_the_backup_does_not_do(tmp_path, step):
    """It cannot know who was removed after the backup was made."""
    filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "older.db")
    shutil.copytree(tmp_path / "g", tmp_path / "copy")
    gallery = writer(tmp_path / "g")
    step(gallery)
    gallery.close()
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    gallery.remove(["key-7"], erase=True)
    gallery.close()
    back_up(tmp_path / "g", tmp_path / "newer.db")
    for ledgers in (["older.db"], ["copy"], ["older.db", "copy"]):
        with pytest.raises(GalleryError, match="says who was removed since"):
            restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / name for name in ledgers])
    restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / "older.db", tmp_path / "newer.db"])
    assert sql(tmp_path / "new", "SELECT 1 FROM item WHERE key = 'key-7'") == []


def test_a_copy_of_the_backup_is_no_news_of_who_was_removed(tmp_path):
    filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    shutil.copy(tmp_path / "b.db", tmp_path / "copy.db")
    (tmp_path / "link.db").symlink_to(tmp_path / "b.db")
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "b.db", tmp_path / "folder" / "gallery.db")
    for name in ("b.db", "folder/../b.db", "link.db", "copy.db", "folder"):
        with pytest.raises(GalleryError, match="says who was removed since"):
            restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / name])


@pytest.mark.parametrize("erase", [False, True])
def test_who_was_removed_since_does_not_come_back(tmp_path, erase):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    assert gallery.remove(["key-3", "key-30"], erase=erase) == 2
    gallery.close()
    assert restore(tmp_path / "b.db", tmp_path / "g").removed_again == 2
    assert_holds(tmp_path / "g", [entry for entry in entries if entry.item.key not in ("key-3", "key-30")])
    gallery = writer(tmp_path / "g")
    assert gallery.add(entries) == 0
    gallery.close()
    if erase:
        found = bytes_below(tmp_path / "g")
        for entry in (entries[3], entries[30]):
            assert entry.vector.astype("<f2").tobytes() not in found
            assert f"pictures/{entry.item.key[4:]}.jpg".encode() not in found
        assert entries[4].vector.astype("<f2").tobytes() in found


def test_another_backups_ledger_is_applied_where_no_gallery_stands(tmp_path):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "old.db")
    gallery = writer(tmp_path / "g")
    gallery.remove(["key-7"], erase=True)
    gallery.close()
    back_up(tmp_path / "g", tmp_path / "new.db")
    report = restore(tmp_path / "old.db", tmp_path / "n", [tmp_path / "new.db", tmp_path / "g"])
    assert (report.items, report.removed_again) == (39, 1)
    assert_holds(tmp_path / "n", entries[:7] + entries[8:])
    assert entries[7].vector.astype("<f2").tobytes() not in bytes_below(tmp_path / "n")


def test_removals_of_a_copy_that_went_its_own_way_hide_nobody_else(tmp_path):
    """There the same ids stand for others; keys decide."""
    entries = filled(tmp_path / "g", 20)
    shutil.copytree(tmp_path / "g", tmp_path / "copy")
    for folder, start in (("g", 20), ("copy", 30)):
        gallery = writer(tmp_path / folder)
        gallery.add(make_items(start, 10))
        gallery.build_generation()
        gallery.close()
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "copy")
    gallery.remove(["key-35", "key-4"])
    gallery.close()
    shutil.copytree(tmp_path / "g" / "segments", tmp_path / "new" / "segments")
    assert restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / "copy"]).removed_again == 1
    assert_holds(tmp_path / "new", entries[:4] + entries[5:] + make_items(20, 10))


def test_a_reader_in_another_process_sees_old_or_new(tmp_path, other_process):
    """Two states with quite other vectors under the same ids: a mixture would be noticed."""
    answers = {}
    for state in (0, 1):
        gallery = writer(tmp_path / str(state))
        gallery.add(make_items(500 * state, 60))
        gallery.build_generation()
        answers[state] = [[hit.id, hit.item.key] for hit in gallery.search(queries(5, 1), 8)[0]]
        gallery.close()
        change(tmp_path / str(state), "gallery", "salt = zeroblob(32)")
        back_up(tmp_path / str(state), tmp_path / f"{state}.db")
    folder, end = tmp_path / "0", tmp_path / "end"
    other_process.start("search_until", folder, 5, 8, end)
    assert other_process.line() == "searching"
    assert json.loads(other_process.line()) == answers[0]
    restore(tmp_path / "1.db", folder, force=True)
    assert json.loads(other_process.line()) == answers[1]
    for state in (0, 1) * 6:
        restore(tmp_path / f"{state}.db", folder, force=True)
        time.sleep(0.02)
    end.touch()
    assert other_process.wait() == ([], 0)  # nothing but those two was ever found


def test_killed_anywhere_while_restoring_it_is_the_old_or_the_new(tmp_path, other_process):
    filled(tmp_path / "g", 60)
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(60, 20))
    gallery.remove(["key-9"], erase=True)
    gallery.close()
    gone = make_item(9).vector.astype("<f2").tobytes()
    shutil.copytree(tmp_path / "g", tmp_path / "later")
    folder, counts = tmp_path / "g", []
    steps = other_process.steps("put_back", tmp_path / "b.db", folder)
    for kill in range(KILLS):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "later", folder)
        other_process.kill_at(1 + kill * steps // KILLS, "put_back", tmp_path / "b.db", folder)
        counts.append(sql(folder, "SELECT count(*) FROM item")[0][0])
        whole = [entry for entry in make_items(0, counts[-1] + 1) if entry.item.key != "key-9"]
        assert_holds(folder, whole)
        gallery = writer(folder)
        assert gallery.verify() == []
        assert not list((folder / "segments").glob(".*"))
        assert gone not in bytes_below(folder)
        gallery.close()
    assert counts == sorted(counts, reverse=True)
    assert set(counts) == {79, 59}


def test_a_backup_of_another_encoders_vectors_leaves_questions_whole(tmp_path):
    """Whoever asks by the encoder that was replaced gets its answers until he opens the gallery anew."""
    entries = filled(tmp_path / "g")
    shutil.copytree(tmp_path / "g", tmp_path / "other")
    change(tmp_path / "other", "gallery", "encoder = 'other', fingerprint = ?", ["cd" * 32])
    back_up(tmp_path / "other", tmp_path / "b.db")
    reader = open_gallery(tmp_path / "g")
    assert_finds(reader, entries, queries(2))
    restore(tmp_path / "b.db", tmp_path / "g", force=True)
    assert_finds(reader, entries, queries(3))
    with pytest.raises(FingerprintMismatch, match="moved on to the encoder other"):
        reader.refresh()
    assert_finds(reader, entries, queries(4))
    reader.close()
    assert_holds(tmp_path / "g", entries)


def test_what_a_backup_knows_as_rejected_of_an_erased_key_goes_too(tmp_path):
    """The picture was torn when the backup was made, and lay elsewhere; later it was mended, and erased."""
    gallery, (mended, kept) = writer(tmp_path / "g"), make_items(70, 2)
    bad = [Rejected(entry.item.key, f"torn/{entry.item.key}", "s", "torn.") for entry in (mended, kept)]
    gallery.add(make_items(0, 3), bad)
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery.add([mended, kept])
    gallery.remove([mended.item.key], erase=True)
    gallery.close()
    restore(tmp_path / "b.db", tmp_path / "g", force=True)
    assert b"torn/key-70" not in bytes_below(tmp_path / "g")
    assert b"torn/key-71" in bytes_below(tmp_path / "g")


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    filled(tmp_path / "g", 10)
    back_up(tmp_path / "g", tmp_path / "b.db")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter.txt").write_text("theirs")
    with pytest.raises(GalleryError, match="holds other files"):
        restore(tmp_path / "b.db", tmp_path / "theirs", force=True)
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["letter.txt"]


def test_the_epoch_rises_above_both(tmp_path):
    filled(tmp_path / "g", 10)
    back_up(tmp_path / "g", tmp_path / "b.db")
    epochs = []
    for _ in range(3):
        restore(tmp_path / "b.db", tmp_path / "g", force=True)
        store = Store(tmp_path / "g")
        epochs.append(store.moment().epoch)
        store.close()
    assert epochs == [2, 3, 4]
