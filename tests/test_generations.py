"""Index files are disposable: whatever happens to one, answers stay right and the next writer replaces it."""

import errno
import hashlib
import logging
import os

import numpy as np
import pytest
from gallery_makers import assert_finds, index_files, make_items, queries, sql, writer

from indexer.errors import GalleryError, GalleryFull
from indexer.gallery import open_gallery
from indexer.local import generations
from indexer.local.generations import CheckedFile

ROWS = 120


def gallery_with_index(folder, extra=0):
    """A closed gallery of `ROWS` rows in an index file and some fresh ones behind it."""
    gallery = writer(folder)
    gallery.add(make_items(0, ROWS))
    gallery.build_generation()
    gallery.add(make_items(ROWS, extra))
    gallery.close()
    return index_files(folder)[-1]


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def damage(path, kind):
    data = bytearray(path.read_bytes())
    match kind:
        case "gone":
            return path.unlink()
        case "empty":
            data.clear()
        case "cut":
            del data[-1:]
        case "longer":
            data += b"\0"
        case "zero tail":
            data[-1024:] = bytes(1024)
        case "another sound index":
            data[-8:] = (10**6).to_bytes(8, "little")
        case int() as place:
            data[place] ^= 1 << (place % 8)
    path.write_bytes(data)
    return None


@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "longer", "zero tail", "another sound index"])
def test_a_damaged_file_is_replaced_with_one_warning(tmp_path, caplog, kind):
    folder, entries = tmp_path / "g", make_items(0, ROWS + 9)
    path = gallery_with_index(folder, extra=9)
    damage(path, kind)

    reader = open_gallery(folder)  # a reader cannot replace it: it answers from the database
    (problem,) = reader.verify()
    assert path.name in problem
    assert_finds(reader, entries, queries(0), 12)
    assert_finds(reader, entries, queries(1), 12)
    reader.refresh()
    (warning,) = warnings_in(caplog)
    assert path.name in warning
    assert "the database" in warning
    caplog.clear()

    gallery = writer(folder)
    (warning,) = warnings_in(caplog)
    assert path.name in warning
    assert "rebuilt" in warning
    assert_finds(gallery, entries, queries(0), 12)
    assert gallery.verify() == []
    assert gallery.stats().indexed_in_generation == ROWS + 9
    assert path not in index_files(folder)
    caplog.clear()

    assert reader.refresh()  # the reader moves on to the new file
    assert reader.stats().indexed_in_generation == ROWS + 9
    assert_finds(reader, entries, queries(1), 12)
    gallery.close()
    gallery = writer(folder)
    assert warnings_in(caplog) == []
    gallery.close()
    reader.close()


def test_every_flipped_byte_is_noticed(tmp_path):
    """Every place of the small header, and many of the rows; FAISS alone would load most of them."""
    folder = tmp_path / "g"
    path = gallery_with_index(folder)
    sound = path.read_bytes()
    store = open_gallery(folder)._store
    (generation,) = store.generations()
    places = [*range(200), *np.random.default_rng(0).integers(200, len(sound), 150).tolist()]
    for place in places:
        damage(path, place)
        with pytest.raises(generations.DamagedFileError, match=path.name):
            generations.read_file(folder, generation, store.identity.dimension)
        path.write_bytes(sound)
    assert len(generations.read_file(folder, generation, store.identity.dimension)) == ROWS
    store.close()


@pytest.mark.parametrize(
    "change",
    ["row_count = row_count - 1", "index_kind = 'unheard of'", "index_kind = 'numpy'", "sha256 = 'x'"],
)
def test_a_row_that_does_not_describe_its_file_is_not_believed(tmp_path, caplog, change):
    folder, entries = tmp_path / "g", make_items(0, ROWS)
    gallery_with_index(folder)
    sql(folder, f"UPDATE generation SET {change}")
    reader = open_gallery(folder)
    assert_finds(reader, entries, queries(0))
    assert len(warnings_in(caplog)) == 1
    reader.close()


def test_an_older_file_serves_when_the_newest_is_damaged(tmp_path, caplog):
    folder, entries = tmp_path / "g", make_items(0, ROWS + 30)
    older = gallery_with_index(folder, extra=30)
    gallery = writer(folder)
    gallery.build_generation()
    gallery.close()
    (newest,) = [path for path in index_files(folder) if path != older]
    damage(newest, "cut")
    reader = open_gallery(folder)
    assert_finds(reader, entries, queries(0), 12)
    assert (reader.stats().indexed_in_generation, reader.stats().fresh) == (ROWS, 30)
    assert len(warnings_in(caplog)) == 1
    reader.close()


def test_two_files_are_kept_and_leftovers_are_cleared(tmp_path):
    folder = tmp_path / "g"
    gallery = writer(folder)
    for start in range(0, 50, 10):
        gallery.add(make_items(start, 10))
        gallery.build_generation()
    assert len(index_files(folder)) == 2
    gallery.close()
    kept = index_files(folder)
    for name in (".tmp-0123", "0123456789abcdef.index", "a person's notes.txt"):
        (folder / "generations" / name).write_bytes(b"left by an interrupted writer")
    gallery = writer(folder)
    left = sorted(path.name for path in (folder / "generations").iterdir())
    assert left == sorted([path.name for path in kept] + ["a person's notes.txt"])
    assert gallery.verify() == []
    gallery.close()


def test_the_recorded_checksum_is_that_of_the_file(tmp_path):
    path = gallery_with_index(tmp_path / "g")
    recorded = sql(tmp_path / "g", "SELECT file, sha256, bytes, row_count FROM generation")
    data = path.read_bytes()
    assert recorded == [(path.name, hashlib.sha256(data).hexdigest(), len(data), ROWS)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_failing_disk_costs_nothing_that_was_acknowledged(tmp_path, monkeypatch, call, code):
    """Every occurrence of the call fails once, in turn; each time the gallery goes on."""
    folder, entries = tmp_path / "g", make_items(0, ROWS)
    gallery = writer(folder)
    gallery.add(entries)
    original, calls, messages = getattr(os, call), 0, []
    expected = GalleryFull if code != errno.EIO else GalleryError

    def failing_at(occurrence):
        def replacement(*arguments):
            nonlocal calls
            calls += 1
            if calls == occurrence:
                raise OSError(code, os.strerror(code))
            return original(*arguments)

        return replacement

    for occurrence in range(1, 1000):
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(generations.os, call, failing_at(occurrence))
            try:
                gallery.build_generation()
                break
            except expected as error:
                messages.append(str(error))
        assert sql(folder, "SELECT count(*) FROM generation") == [(0,)]
        assert not list((folder / "generations").glob(".tmp-*"))
        assert_finds(gallery, entries, queries(0))
    assert messages
    assert all(str(folder) in message for message in messages)
    assert len(gallery._store.generations()) == 1
    gallery.close()
    reader = open_gallery(folder)
    assert reader.verify() == []
    assert_finds(reader, entries, queries(1))
    reader.close()


def test_short_writes_are_continued(tmp_path, monkeypatch):
    """The system may take fewer bytes than it was given."""
    original = os.write
    monkeypatch.setattr(generations.os, "write", lambda file, data: original(file, data[:7]))
    file = CheckedFile(tmp_path / "file")
    data = bytes(range(256)) * 5
    assert file.write(data) == len(data)
    digest = file.finish()
    file.close()
    assert (tmp_path / "file").read_bytes() == data
    assert (digest, file.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_row_enters_the_database_after_the_file_is_safe(tmp_path, monkeypatch):
    """File synced, renamed, folder synced, and only then recorded."""
    folder, steps = tmp_path / "g", []
    gallery = writer(folder)
    gallery.add(make_items(0, 10))
    rename, fsync, record = generations.Path.rename, os.fsync, gallery._writer.record_generation

    def note(step, call):
        def noted(*arguments):
            steps.append(step)
            return call(*arguments)

        return noted

    monkeypatch.setattr(generations.os, "fsync", note("sync", fsync))
    monkeypatch.setattr(generations.Path, "rename", note("rename", rename))
    monkeypatch.setattr(gallery._writer, "record_generation", note("record", record))
    gallery.build_generation()
    assert steps == ["sync", "rename", "sync", "record"]
    gallery.close()
