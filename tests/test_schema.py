"""A gallery of format 1, as cskt wrote it before: brought up to date by its first writer, nothing lost."""

import json
import random
import shutil
import zlib
from dataclasses import replace

import pytest
from gallery_makers import DIMENSION, ENCODER, assert_finds, bytes_below, make_item, make_items, queries, sql
from gallery_processes import OtherProcess

from indexer.errors import GalleryError
from indexer.gallery import open_gallery
from indexer.items import Rejected
from indexer.local.database import connect_writer
from service.cli import main

FORMAT_1 = """
CREATE TABLE gallery (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    index_kind TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL,
    box TEXT, camera TEXT, seen_at TEXT, track TEXT, attributes TEXT NOT NULL);
CREATE INDEX item_camera ON item (camera, seen_at);
CREATE INDEX item_seen_at ON item (seen_at);
CREATE INDEX item_source ON item (source);
CREATE INDEX item_track ON item (track) WHERE track IS NOT NULL;
CREATE TABLE vector (item_id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE thumbnail (item_id INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE removal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL, key TEXT NOT NULL UNIQUE, removed_at TEXT NOT NULL);
CREATE TABLE generation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, row_count INTEGER NOT NULL,
    built_to INTEGER NOT NULL, index_kind TEXT NOT NULL, library TEXT NOT NULL, created_at TEXT NOT NULL);
"""
KILLS = 8
COUNT = 800
ENTRIES = [
    replace(entry, item=replace(entry.item, key=f"a-key-of-its-own-{zlib.crc32(b'%d' % number):010d}"))
    for number, entry in enumerate(make_items(0, COUNT))
]
GONE = [*sorted(random.Random(3).sample(range(COUNT - 1), 60)), COUNT - 1]
"""The last is among them: its id must not be given out again."""

KEPT = [entry for number, entry in enumerate(ENTRIES) if number not in GONE]


def insert_old(connection, number):
    facts, value = ENTRIES[number].item, ENTRIES[number].vector.astype("<f2").tobytes()
    box = facts.box and json.dumps([facts.box.left, facts.box.top, facts.box.right, facts.box.bottom])
    row = (facts.key, facts.uri, facts.source, box, facts.camera, facts.seen_at, facts.track)
    attributes = json.dumps(dict(facts.attributes))
    connection.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (number + 1, *row, attributes))
    connection.execute("INSERT INTO vector VALUES (?, ?, ?)", (number + 1, value, zlib.crc32(value)))
    connection.execute("INSERT INTO thumbnail VALUES (?, ?)", (number + 1, ENTRIES[number].thumbnail))


def make_format_1(folder):
    (folder / "generations").mkdir(parents=True)
    connection = connect_writer(folder / "gallery.db")
    connection.executescript(FORMAT_1)
    connection.execute("PRAGMA application_id=0x43534B54")
    connection.execute("PRAGMA user_version=1")
    connection.execute("INSERT INTO gallery VALUES (1, ?, ?, ?, 'exact', '2026-01-01')", ENCODER)
    connection.execute("BEGIN")
    for number in random.Random(1).sample(range(COUNT), COUNT):
        insert_old(connection, number)
    connection.execute("INSERT INTO rejected VALUES (7, 'bad', 'b.jpg', 's', 'torn.')")
    connection.execute("COMMIT")
    connection.execute("BEGIN")
    for number in GONE:
        removal = (number + 1, ENTRIES[number].item.key, "2026-02-03T00:00:00.000Z")
        connection.execute("INSERT INTO removal (item_id, key, removed_at) VALUES (?, ?, ?)", removal)
        for table, column in (("item", "id"), ("vector", "item_id"), ("thumbnail", "item_id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [number + 1])
    connection.execute("COMMIT")
    for name in ("a.index", "b.index", ".tmp-c"):
        (folder / "generations" / name).write_bytes(
            b"".join(e.vector.astype("<f2").tobytes() for e in ENTRIES)
        )
    connection.execute("INSERT INTO generation VALUES (4, 'b.index', 'x', 1, 1, 1, 'exact', 'faiss', 'now')")
    connection.close()


@pytest.fixture
def old(tmp_path):
    make_format_1(tmp_path / "g")
    return tmp_path / "g"


def assert_up_to_date(folder):
    gallery = open_gallery(folder)
    assert gallery.verify() == []
    assert (gallery.encoder, gallery.fingerprint, gallery.dimension) == ENCODER
    assert gallery.rejected() == [Rejected("bad", "b.jpg", "s", "torn.")]
    assert_finds(gallery, KEPT, queries(2), 30)
    assert gallery.thumbnail(1) == ENTRIES[0].thumbnail
    gallery.close()
    assert sql(folder, "SELECT id, key FROM item ORDER BY id") == [
        (number + 1, ENTRIES[number].item.key) for number in range(COUNT) if number not in GONE
    ]
    removals = sql(folder, "SELECT item_id, removed_at FROM removal ORDER BY id")
    assert removals == [(number + 1, "2026-02-03T00:00:00.000Z") for number in GONE]
    assert not (folder / "generations").exists()


def traces_of_removed(folder):
    data = bytes_below(folder)
    keys = [number for number in GONE if ENTRIES[number].item.key.encode() in data]
    uris = [number for number in GONE if f"pictures/{number}.jpg".encode() in data]
    vectors = [number for number in GONE if ENTRIES[number].vector.astype("<f2").tobytes() in data]
    return keys, uris, vectors


def test_a_reader_says_what_to_do(old):
    with pytest.raises(GalleryError, match=rf"older cskt \(format 1\).*gallery compact --gallery {old}"):
        open_gallery(old)


def test_compact_brings_it_up_to_date(old, capsys):
    assert main(["gallery", "compact", "--gallery", str(old)]) == 0
    assert f"{len(KEPT)} items in" in capsys.readouterr().out
    assert_up_to_date(old)


def test_the_first_writer_brings_it_up_to_date(old):
    assert any(traces_of_removed(old))
    gallery = open_gallery(old, write=True)
    assert traces_of_removed(old) == ([], [], [])
    assert gallery.known([entry.item.key for entry in ENTRIES]) == {entry.item.key for entry in ENTRIES}
    assert gallery.add(ENTRIES) == 0
    gallery.close()
    assert_up_to_date(old)
    gallery = open_gallery(old, write=True)
    gallery.add([make_item(COUNT)])
    assert sql(old, "SELECT max(id) FROM item") == [(COUNT + 1,)]
    gallery.add([], [Rejected("worse", "w.jpg", "s", "torn.")])
    assert [id for (id,) in sql(old, "SELECT id FROM rejected")] == [7, 8]
    assert (gallery.dimension, gallery.verify()) == (DIMENSION, [])
    gallery.close()


def test_killed_anywhere_the_next_writer_goes_on(old, tmp_path):
    other, folder = OtherProcess(), tmp_path / "killed"
    try:
        shutil.copytree(old, folder)
        steps = other.steps("open_to_write", folder)
        for kill in range(KILLS):
            shutil.rmtree(folder)
            shutil.copytree(old, folder)
            other.kill_at(1 + kill * steps // KILLS, "open_to_write", folder)
            open_gallery(folder, write=True).close()
            assert traces_of_removed(folder) == ([], [], [])
            assert_up_to_date(folder)
    finally:
        other.close()
