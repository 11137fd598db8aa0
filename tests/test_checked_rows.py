"""A bit that turns in what is stored of an item is noticed: nothing wrong is shown, and the item is named."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gallery_makers import (
    assert_finds,
    assert_holds,
    filled,
    make_item,
    make_items,
    queries,
    sql,
    writer,
)

from indexer.errors import GalleryCorrupt
from indexer.filters import OneOf
from indexer.gallery import open_gallery
from indexer.items import Box, EmbeddedItem, GalleryItem
from indexer.local.checksums import ITEM_COLUMNS
from service.cli import main

TEXTS = ("key", "uri", "source", "box", "camera", "seen_at", "track", "attributes", "added_at")
FULL = GalleryItem(
    "zebra-0",
    "pictures/0.jpg",
    "folder-0",
    Box(1.5, 2.0, 30.0, 90.25),
    camera="Straße 7",
    seen_at="2026-05-01T12:00:00.000Z",
    track="track-1",
    attributes={"coat": "rot-grün", "bag": True, "height": 1.75},
)
"""An item that has every fact, some of them not in ASCII."""

ENTRIES = [EmbeddedItem(FULL, make_item(0).vector, make_item(0).thumbnail), *make_items(1, 9)]


@pytest.fixture
def folder(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(ENTRIES)
    gallery.build_generation()
    gallery.close()
    return tmp_path / "g"


def stored(folder, column, id=1):
    return sql(folder, f"SELECT CAST({column} AS BLOB) FROM item WHERE id = ?", [id])[0][0]


def store(folder, column, value, id=1):
    """Put bytes into a text, whether or not they are UTF-8."""
    sql(folder, f"UPDATE item SET {column} = CAST(? AS TEXT) WHERE id = ?", [value, id])


def spoil(folder, column="uri", id=1, bit=1):
    value = stored(folder, column, id)
    store(folder, column, bytes([value[0] ^ bit]) + value[1:], id)


def says(gallery):
    return [problem for problem in gallery.verify() if "checksum" in problem]


def test_every_byte_of_every_text_is_covered(folder):
    gallery = open_gallery(folder)
    assert {*TEXTS, "id", "changed"} == set(ITEM_COLUMNS.split(", "))
    for column in TEXTS:
        value = stored(folder, column)
        assert len(value) > 4
        for place in range(len(value)):
            flipped = bytearray(value)
            flipped[place] ^= 0x80 if place % 3 == 2 else 1  # texts that are no UTF-8 any more, and others
            store(folder, column, bytes(flipped))
            with pytest.raises(GalleryCorrupt, match=r"the facts of item 1 do not fit.*cskt gallery restore"):
                gallery.get(1)
        assert says(gallery) == ["the facts of item 1 do not fit their checksum."]
        assert gallery.get(2) == ENTRIES[1].item
        store(folder, column, value)
        assert gallery.get(1) == FULL
    assert gallery.verify() == []
    gallery.close()


@pytest.mark.parametrize(
    "change",
    [
        "camera = NULL",
        "box = NULL",
        "track = CAST(track AS BLOB)",
        "changed = 1",
        "crc = crc + 1",
        "crc = -1",
        "attributes = 'x'",
        "uri = key, key = uri",
    ],
)
def test_other_changes_of_a_row_are_noticed(folder, change):
    sql(folder, f"UPDATE item SET {change} WHERE id = 1")
    gallery = open_gallery(folder)
    with pytest.raises(GalleryCorrupt, match="the facts of item 1 do not fit"):
        gallery.get(1)
    assert says(gallery) == ["the facts of item 1 do not fit their checksum."]
    gallery.close()


def noticed(gallery):
    try:
        return bool(gallery.verify())
    except GalleryCorrupt:
        return True


def test_no_byte_of_the_file_can_turn_and_show_other_facts(folder, tmp_path):
    """The whole record: its length, its id, the types of its columns, their bytes, the checksums."""
    sql(folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = (folder / "gallery.db").read_bytes()
    (place,) = [match.start() for match in re.finditer(re.escape(FULL.uri.encode()), data)]
    start, end = place - len(FULL.key) - 17, data.index(b"Z", data.index(b'"height"')) + 10
    named, right = 0, [(entry.item, entry.thumbnail) for entry in ENTRIES]
    for byte in range(start, end):
        shutil.copytree(folder, tmp_path / "copy")
        with Path(tmp_path, "copy", "gallery.db").open("r+b") as file:
            file.seek(byte)
            file.write(bytes([data[byte] ^ (1 << (byte - place) % 8)]))
        gallery = open_gallery(tmp_path / "copy")
        shown = []
        for number, entry in enumerate(ENTRIES, 1):
            try:
                shown.append((gallery.get(number), gallery.thumbnail(number)))
                assert shown[-1] in ((entry.item, entry.thumbnail), (None, None))
            except GalleryCorrupt as error:
                named += f"facts of item {number}" in str(error)
        assert noticed(gallery) or shown == right  # SQLite passes over the type of an id
        gallery.close()
        shutil.rmtree(tmp_path / "copy")
    assert named > len(FULL.uri) + len(FULL.camera) + 60


def test_every_byte_of_a_thumbnail_is_covered_and_ranking_goes_on(folder):
    gallery, jpeg = open_gallery(folder), ENTRIES[3].thumbnail
    for place in range(len(jpeg)):
        flipped = bytearray(jpeg)
        flipped[place] ^= 4
        sql(folder, "UPDATE thumbnail SET jpeg = ? WHERE item_id = 4", [bytes(flipped)])
        with pytest.raises(GalleryCorrupt, match=r"thumbnail of item 4 does not fit.*cskt remove --id 4"):
            gallery.thumbnail(4)
    assert_finds(gallery, ENTRIES, queries(1), 10)
    assert [gallery.thumbnail(id) for id in (3, 5)] == [ENTRIES[2].thumbnail, ENTRIES[4].thumbnail]
    assert gallery.verify() == ["the thumbnail of item 4 does not fit its checksum."]
    gallery.close()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM thumbnail WHERE item_id = 4",
        "UPDATE item SET thumbnail_crc = NULL WHERE id = 4",
        "UPDATE item SET thumbnail_crc = thumbnail_crc + 1 WHERE id = 4",
        "UPDATE thumbnail SET jpeg = CAST(jpeg AS TEXT) WHERE item_id = 4",
        "UPDATE thumbnail SET jpeg = (SELECT jpeg FROM thumbnail WHERE item_id = 5) WHERE item_id = 4",
    ],
)
def test_a_lost_or_exchanged_thumbnail_is_noticed(folder, change):
    sql(folder, change)
    gallery = open_gallery(folder)
    with pytest.raises(GalleryCorrupt, match="thumbnail of item 4"):
        gallery.thumbnail(4)
    assert gallery.verify() == ["the thumbnail of item 4 does not fit its checksum."]
    assert gallery.get(4) == ENTRIES[3].item
    gallery.close()


def test_an_item_may_have_no_thumbnail(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add([EmbeddedItem(FULL, make_item(0).vector, b"")])
    assert (gallery.thumbnail(1), gallery.thumbnail(2), gallery.verify()) == (None, None, [])
    sql(tmp_path / "g", "INSERT INTO thumbnail VALUES (1, ?), (9, ?)", [b"jpeg", b"jpeg"])
    with pytest.raises(GalleryCorrupt, match="thumbnail of item 1"):
        gallery.thumbnail(1)
    assert gallery.verify() == [
        "the thumbnail of item 1 does not fit its checksum.",
        "1 thumbnails belong to no item.",
    ]
    gallery.close()


def test_a_search_fails_only_if_a_hit_is_damaged(folder):
    spoil(folder, "camera")
    gallery = open_gallery(folder)
    with pytest.raises(GalleryCorrupt, match="the facts of item 1 do not fit"):
        gallery.search(ENTRIES[0].vector[None], 3)
    assert gallery.search(ENTRIES[5].vector[None], 1)[0][0].item == ENTRIES[5].item
    others = OneOf("id", tuple(range(2, 11)))
    assert_finds(gallery, ENTRIES[1:], queries(2), 20, others)
    gallery.close()


def test_what_is_damaged_enters_no_index_file(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(ENTRIES)
    spoil(tmp_path / "g", "source", 7)
    for fails in (gallery.build_generation, gallery.compact, lambda: gallery.search(queries(0), 1)):
        with pytest.raises(GalleryCorrupt, match="the facts of item 7"):
            fails()
    gallery.close()


def test_an_update_keeps_the_checksum_right_and_trusts_no_damaged_row(folder):
    gallery = writer(folder)
    assert gallery.update(FULL.key, {"coat": "blau", "bag": None, "größe": 3})
    assert gallery.get(1).attributes == {"coat": "blau", "height": 1.75, "größe": 3}
    assert gallery.verify() == []
    spoil(folder, "track", bit=0x80)
    before = sql(folder, "SELECT CAST(track AS BLOB), attributes, crc, changed FROM item")
    with pytest.raises(GalleryCorrupt, match="the facts of item 1"):
        gallery.update(FULL.key, {"coat": "rot"})
    assert sql(folder, "SELECT CAST(track AS BLOB), attributes, crc, changed FROM item") == before
    gallery.close()


@pytest.mark.parametrize("bit", [1, 0x80])
@pytest.mark.parametrize("erase", [[], ["--erase"]])
def test_a_damaged_item_can_be_removed(tmp_path, capsys, erase, bit):
    folder, entries = tmp_path / "g", filled(tmp_path / "g")
    for column, id in (("key", 3), ("uri", 33)):  # one in an index file, one in none
        spoil(folder, column, id, bit)
    assert main(["remove", "--gallery", str(folder), "--id", "3", "--id", "33", "--yes", *erase]) == 0
    assert "2 of 40 items" in capsys.readouterr().out
    gallery = writer(folder)
    gallery.build_generation()
    gallery.close()
    assert_holds(folder, [entry for number, entry in enumerate(entries, 1) if number not in (3, 33)])


def test_who_is_overdue_is_not_said_by_a_damaged_time(folder):
    gallery = writer(folder)
    gallery.set_retention("", 3600)
    now = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert 1 not in {id for group in gallery.overdue(now) for id in group.ids}
    sql(folder, "UPDATE item SET seen_at = '2006-05-01T12:00:00.000Z' WHERE id = 1")
    with pytest.raises(GalleryCorrupt, match="the facts of item 1"):
        gallery.overdue(now)
    gallery.close()
