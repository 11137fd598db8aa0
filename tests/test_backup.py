"""Backups: whole, private, checked before they are kept and before they are put back."""

import errno
import stat
import threading

import pytest
from gallery_makers import assert_holds, filled, make_items, sql, writer

from indexer.errors import GalleryBusy, GalleryCorrupt, GalleryError, GalleryFull
from indexer.local.backup import back_up, restore
from indexer.local.verify import database_problems


def test_a_backup_is_one_private_file_that_holds_everything(tmp_path):
    entries = filled(tmp_path / "g")
    file = tmp_path / "backups" / "one.db"
    file.parent.mkdir()
    report = back_up(tmp_path / "g", file)
    assert (report.items, report.removals, report.size) == (40, 0, file.stat().st_size)
    assert [path.name for path in file.parent.iterdir()] == ["one.db"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    report = restore(file, tmp_path / "new", force=True)
    assert (report.items, report.removed_again, report.replaced, report.indexed) == (40, 0, False, True)
    assert_holds(tmp_path / "new", entries)
    facts = "SELECT id, added_at FROM item ORDER BY id"
    assert sql(tmp_path / "new", facts) == sql(tmp_path / "g", facts)
    assert [path.name for path in file.parent.iterdir()] == ["one.db"]


def test_what_a_killed_backup_left_goes_with_the_next_into_that_folder(tmp_path):
    filled(tmp_path / "g", 10)
    left = tmp_path / f".cskt-backup-{'0a' * 16}"
    others = {".cskt-backup-notes", ".1.db.0123abcd.tmp"}
    for name in (left.name, f"{left.name}-journal", *others):
        (tmp_path / name).write_text("half a gallery")
    back_up(tmp_path / "g", tmp_path / "1.db")
    assert {path.name for path in tmp_path.iterdir()} == {"g", "1.db", *others}


def test_a_backup_leaves_another_one_that_is_being_made_alone(tmp_path, monkeypatch):
    entries, real = filled(tmp_path / "g", 10), database_problems

    def meanwhile(store):
        monkeypatch.setattr("indexer.local.backup.database_problems", real)
        back_up(tmp_path / "g", tmp_path / "second.db")
        return real(store)

    monkeypatch.setattr("indexer.local.backup.database_problems", meanwhile)
    back_up(tmp_path / "g", tmp_path / "first.db")
    assert {path.name for path in tmp_path.iterdir()} == {"g", "first.db", "second.db"}
    for name in ("first", "second"):
        restore(tmp_path / f"{name}.db", tmp_path / name, force=True)
        assert_holds(tmp_path / name, entries)


def test_backups_of_a_gallery_that_is_written_hold_whole_batches(tmp_path):
    gallery, done = writer(tmp_path / "g"), threading.Event()

    def write():
        for start in range(0, 4000, 10):
            if done.is_set():
                return
            gallery.add(make_items(start, 10))
            if start % 100 == 90:
                gallery.build_generation()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = [back_up(tmp_path / "g", tmp_path / f"{number}.db").items for number in range(6)]
    finally:
        done.set()
        thread.join()
    gallery.close()
    assert counts == sorted(counts)
    assert len(set(counts)) > 1
    for number, count in enumerate(counts):
        assert count % 10 == 0
        restore(tmp_path / f"{number}.db", tmp_path / f"restored-{number}", force=True)
        assert_holds(tmp_path / f"restored-{number}", make_items(0, count), number)


def test_a_backup_overwrites_nothing_and_lies_outside_the_gallery(tmp_path):
    filled(tmp_path / "g", 10)
    (tmp_path / "mine").write_text("mine")
    for place, said in (
        ("mine", "exists"),
        ("g/b.db", "inside"),
        ("no/b.db", "make its folder .*/no first"),
        (".", "folder"),
    ):
        with pytest.raises(GalleryError, match=said):
            back_up(tmp_path / "g", tmp_path / place)
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g", "mine"]
    assert back_up(tmp_path / "g", tmp_path / "mine", force=True).items == 10
    restore(tmp_path / "mine", tmp_path / "new", force=True)


def test_no_backup_is_kept_of_a_damaged_gallery(tmp_path):
    filled(tmp_path / "g", 10)
    sql(tmp_path / "g", "UPDATE vector SET crc = crc + 1 WHERE item_id = 3")
    with pytest.raises(GalleryCorrupt, match="the vector of item 3"):
        back_up(tmp_path / "g", tmp_path / "b.db")
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_a_backup_of_another_gallery_is_refused(tmp_path):
    entries = filled(tmp_path / "g", 10)
    filled(tmp_path / "other", 20)
    back_up(tmp_path / "other", tmp_path / "b.db")
    with pytest.raises(GalleryError, match="another gallery"):
        restore(tmp_path / "b.db", tmp_path / "g", force=True)
    with pytest.raises(GalleryError, match="another gallery"):
        restore(tmp_path / "b.db", tmp_path / "new", [tmp_path / "g"])
    assert_holds(tmp_path / "g", entries)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("none", "no backup at"),
        ("half", "damaged"),
        ("vector", "the vector of item 4"),
        ("text", "no database|damaged"),
    ],
)
def test_a_bad_backup_is_refused_and_the_gallery_stays(tmp_path, damage, said):
    entries, file = filled(tmp_path / "g"), tmp_path / "gallery.db"
    back_up(tmp_path / "g", file)
    match damage:
        case "none":
            file.unlink()
        case "half":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case "vector":
            sql(
                tmp_path,
                "UPDATE vector SET value = (SELECT value FROM vector WHERE item_id = 5) WHERE item_id = 4",
            )
        case "text":
            file.write_text("a text that is longer than a header" * 9)
    for folder in ("g", "new"):
        with pytest.raises(GalleryError, match=said):
            restore(file, tmp_path / folder, force=True)
    assert_holds(tmp_path / "g", entries)
    assert not (tmp_path / "new").exists()


def test_a_damaged_gallery_is_replaced_only_when_it_was_moved_away(tmp_path):
    entries = filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    database = tmp_path / "g" / "gallery.db"
    database.write_bytes(b"noise" * 10_000)
    with pytest.raises(GalleryCorrupt, match="move gallery"):
        restore(tmp_path / "b.db", tmp_path / "g", force=True)
    database.rename(tmp_path / "away.db")
    assert restore(tmp_path / "b.db", tmp_path / "g", force=True).items == 40
    assert_holds(tmp_path / "g", entries)


def test_no_restoring_beside_a_writer(tmp_path):
    filled(tmp_path / "g", 10)
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    with pytest.raises(GalleryBusy, match="writing"):
        restore(tmp_path / "b.db", tmp_path / "g", force=True)
    gallery.close()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    entries = filled(tmp_path / "g", 10)

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("indexer.local.backup.os.fsync", full)
    with pytest.raises(GalleryFull, match=f"no room left on the disk for the backup {tmp_path}/b.db"):
        back_up(tmp_path / "g", tmp_path / "b.db")
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    monkeypatch.undo()
    assert_holds(tmp_path / "g", entries)
