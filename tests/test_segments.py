"""Derived files are disposable: whatever happens to one, answers stay right; the next writer replaces it."""

import errno
import hashlib
import logging
import os
from itertools import pairwise

import numpy as np
import pytest
from gallery_makers import assert_finds, change, derived_files, index_files, make_items, queries, sql, writer
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import GalleryError, GalleryFull
from indexer.gallery import open_gallery
from indexer.local import building, catalogue, derived, segments
from indexer.local.derived import CheckedFile, DamagedFileError

ROWS = 120


def gallery_with_index(folder, extra=0):
    """A closed gallery of `ROWS` rows in an index file and some fresh ones behind it."""
    gallery = writer(folder)
    gallery.add(make_items(0, ROWS))
    gallery.build_generation()
    gallery.add(make_items(ROWS, extra))
    gallery.close()
    return {path.suffix: path for path in derived_files(folder)}


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


@pytest.mark.parametrize("suffix", [".rows", ".facts"])
@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "longer", "zero tail", "another sound index"])
def test_a_damaged_file_is_replaced_with_one_warning(tmp_path, caplog, kind, suffix):
    folder, entries = tmp_path / "g", make_items(0, ROWS + 9)
    path = gallery_with_index(folder, extra=9)[suffix]
    damage(path, kind)

    reader = open_gallery(folder)  # a reader cannot replace it: it answers from the database
    (problem,) = reader.verify()
    assert path.name in problem
    assert_finds(reader, entries, queries(0), 12)
    assert_finds(reader, entries, queries(1), 12)
    change(folder, "gallery", "changes = changes + 1")
    assert reader.refresh()
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
    assert path not in derived_files(folder)
    caplog.clear()

    assert reader.refresh()  # the reader moves on to the new file
    assert reader.stats().indexed_in_generation == ROWS + 9
    assert_finds(reader, entries, queries(1), 12)
    gallery.close()
    gallery = writer(folder)
    assert warnings_in(caplog) == []
    gallery.close()
    reader.close()


@pytest.mark.parametrize("suffix", [".rows", ".facts"])
def test_every_flipped_byte_is_noticed(tmp_path, suffix):
    """Every place of the small header, and many of the rows; FAISS alone would load most of them."""
    folder = tmp_path / "g"
    path = gallery_with_index(folder)[suffix]
    sound = path.read_bytes()
    store = open_gallery(folder)._store
    (segment,) = catalogue.segments(store)
    places = [*range(200), *np.random.default_rng(0).integers(200, len(sound), 150).tolist()]
    for place in places:
        damage(path, place)
        with pytest.raises(DamagedFileError, match=path.name):
            segments.read_segment(folder, segment, store.identity.dimension)
        path.write_bytes(sound)
    content = segments.read_segment(folder, segment, store.identity.dimension)
    assert len(content.index) == len(content.facts) == ROWS
    store.close()


@pytest.mark.parametrize(
    "mistake",
    ["row_count = row_count - 1", "rows_sha256 = 'x'", "facts_bytes = 3", "facts_file = rows_file || 'x'"],
)
def test_a_row_that_does_not_describe_its_file_is_not_believed(tmp_path, caplog, mistake):
    folder, entries = tmp_path / "g", make_items(0, ROWS)
    gallery_with_index(folder)
    change(folder, "segment", mistake)
    reader = open_gallery(folder)
    assert_finds(reader, entries, queries(0))
    assert len(warnings_in(caplog)) == 1
    reader.close()


def test_one_damaged_segment_of_several_costs_only_its_own_rows(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(building, "SEGMENT_ROWS", 40)
    monkeypatch.setattr(segments, "SEGMENT_ROWS", 40)
    folder, entries = tmp_path / "g", make_items(0, ROWS)
    gallery_with_index(folder)
    first, second, third = (
        folder / "segments" / name for (name,) in sql(folder, "SELECT rows_file FROM segment ORDER BY after")
    )
    damage(second, "cut")
    reader = open_gallery(folder)
    assert_finds(reader, entries, queries(0), 12)
    assert [part.segment is None for part in reader._snapshot.parts] == [False, True, False]
    gallery = writer(folder)
    assert {first, third} < set(index_files(folder))
    assert len(index_files(folder)) == 3
    assert len(warnings_in(caplog)) == 2
    assert reader.refresh()
    assert all(part.segment for part in reader._snapshot.parts)
    assert_finds(reader, entries, queries(0), 12)
    assert gallery.verify() == []
    gallery.close()
    reader.close()


def test_leftovers_are_cleared_and_what_is_not_ours_stays(tmp_path):
    folder = tmp_path / "g"
    gallery_with_index(folder)
    kept = {path.name for path in derived_files(folder)}
    for name in (".tmp-0123", "0123456789abcdef.rows", "a.facts", "b.coarse", "a person's notes.txt"):
        (folder / "segments" / name).write_bytes(b"left by an interrupted writer")
    gallery = writer(folder)
    assert {path.name for path in (folder / "segments").iterdir()} == kept | {"a person's notes.txt"}
    assert gallery.verify() == []
    gallery.close()


def test_the_recorded_checksums_are_those_of_the_files(tmp_path):
    paths = gallery_with_index(tmp_path / "g")
    for kind in ("rows", "facts"):
        data = paths[f".{kind}"].read_bytes()
        (recorded,) = sql(tmp_path / "g", f"SELECT {kind}_file, {kind}_sha256, {kind}_bytes FROM segment")
        assert recorded == (paths[f".{kind}"].name, hashlib.sha256(data).hexdigest(), len(data))


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
            patch.setattr(derived.os, call, failing_at(occurrence))
            try:
                gallery.build_generation()
                break
            except expected as error:
                messages.append(str(error))
        assert sql(folder, "SELECT count(*) FROM segment") == [(0,)]
        assert not list((folder / "segments").glob(".tmp-*"))
        assert_finds(gallery, entries, queries(0))
    assert messages
    assert all(str(folder) in message for message in messages)
    assert len(catalogue.segments(gallery._store)) == 1
    gallery.close()
    reader = open_gallery(folder)
    assert reader.verify() == []
    assert_finds(reader, entries, queries(1))
    reader.close()


def test_short_writes_are_continued(tmp_path, monkeypatch):
    """The system may take fewer bytes than it was given."""
    original = os.write
    monkeypatch.setattr(derived.os, "write", lambda file, data: original(file, data[:7]))
    file = CheckedFile(tmp_path / "file")
    data = bytes(range(256)) * 5
    assert file.write(data) == len(data)
    digest = file.finish()
    file.close()
    assert (tmp_path / "file").read_bytes() == data
    assert (digest, file.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_row_enters_the_database_after_the_files_are_safe(tmp_path, monkeypatch):
    """Each file synced, renamed, its folder synced, and only then recorded."""
    folder, steps = tmp_path / "g", []
    gallery = writer(folder)
    gallery.add(make_items(0, 10))
    gallery.build_generation()  # from here on the folder is there
    gallery.add(make_items(10, 10))

    def note(step, call):
        def noted(*arguments):
            steps.append(step)
            return call(*arguments)

        return noted

    monkeypatch.setattr(derived.os, "fsync", note("sync", os.fsync))
    monkeypatch.setattr(derived.Path, "rename", note("rename", derived.Path.rename))
    monkeypatch.setattr(catalogue, "enter_segment", note("record", catalogue.enter_segment))
    gallery.build_generation()
    assert steps == ["sync", "rename", "sync"] * 2 + ["record"]
    gallery.close()


def segment(id, after, up_to, rows):
    file = derived.WrittenFile("name", "hash", 1)
    return segments.Segment(id, after, up_to, rows, "encoder", 0, 0, file, file)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_plan_covers_every_row_once_and_leaves_full_segments_alone(data):
    size = segments.SEGMENT_ROWS
    rows = data.draw(st.lists(st.sampled_from([1, 500, size // 2, size - 1, size]), max_size=6))
    holes = data.draw(st.lists(st.booleans(), min_size=len(rows) + 1, max_size=len(rows) + 1))
    known, end = [], 0
    for id, (count, hole) in enumerate(zip(rows, holes, strict=False), 1):
        after = end + 10 * hole
        end = after + count
        known.append(segment(id, after, end, count))
    last = end + 10 * holes[-1]
    stale = set(data.draw(st.lists(st.sampled_from([s.id for s in known] or [0]), max_size=3)))
    # what no segment covers has rows, or none at all
    empty = data.draw(st.booleans())

    def filled(gap):
        return not empty or any(gap[0] <= one.after < gap[1] for one in known)

    todo = segments.plan(known, stale, last, filled)
    covered = sorted([(s.after, s.up_to) for s in todo.kept] + todo.written)
    assert all(first[1] <= second[0] for first, second in pairwise(covered))
    for one in known:
        assert any(after <= one.after and one.up_to <= up_to for after, up_to in covered)
        if one.id in stale:
            assert one not in todo.kept
        elif one.rows == size:
            assert one in todo.kept
    if not empty:
        assert sum(up_to - after for after, up_to in covered) == last
    rounds = 0
    while todo.written:  # as a writer goes on: what it wrote are segments, and soon there is nothing to write
        cuts = [(a, min(a + size, up_to)) for after, up_to in todo.written for a in range(after, up_to, size)]
        fresh = [segment(100 * rounds + n, a, b, b - a) for n, (a, b) in enumerate(cuts, 1000)]
        todo = segments.plan([*todo.kept, *fresh], set(), last, filled)
        rounds += 1
        assert rounds < 5
