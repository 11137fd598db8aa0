"""Checksums of the tables beside the items, and how an older gallery gets all of them."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from format_2 import to_format_2
from gallery_makers import DIMENSION, assert_finds, assert_holds, filled, queries, sql, writer
from gallery_processes import OtherProcess

from indexer.errors import GalleryCorrupt, GalleryError
from indexer.gallery import open_gallery
from indexer.items import Rejected
from indexer.local import candidate
from indexer.local.backup import back_up, restore
from indexer.local.checksums import SEALED, sealed
from indexer.local.writer import Writer
from service.cli import main

KILLS = 6


def spoil(folder, column, id, bit=1):
    """Turn a bit in the first byte of a text of an item."""
    query = f"SELECT CAST({column} AS BLOB) FROM item WHERE id = ?"
    ((value,),) = sql(folder, query, [id])
    torn = bytes([value[0] ^ bit]) + value[1:]
    sql(folder, f"UPDATE item SET {column} = CAST(? AS TEXT) WHERE id = ?", [torn, id])


def people_and_more(folder):
    """A gallery with a row in every table."""
    filled(folder)
    gallery = writer(folder)
    gallery.remove(["key-4"])
    gallery.add([], [Rejected("bad", "b.jpg", "s", "torn.")])
    gallery.set_retention("gate", 3600)
    gallery.close()
    with closing(Writer(folder)) as writing, writing.transaction() as connection:
        candidate.begin(connection, "other", "cd" * 32, 3)
    coarse = ("auto", "x", "{}", "a.coarse", "x", 1, "faiss", "now")
    columns = SEALED["coarse"]
    connection = sqlite3.connect(folder / "gallery.db")
    with connection:
        connection.execute(
            f"INSERT INTO coarse ({columns}, crc) VALUES ({', '.join('?' * 13)})",
            sealed(20, 20, "ef" * 32, 0, *coarse),
        )
    connection.close()


@pytest.mark.parametrize("table", SEALED)
def test_every_value_of_every_other_table_is_covered(tmp_path, table):
    folder = tmp_path / "g"
    people_and_more(folder)
    gallery = open_gallery(folder)
    for column in SEALED[table].split(", "):
        ((value, kind, rowid),) = sql(
            folder, f"SELECT CAST({column} AS BLOB), typeof({column}), rowid FROM {table} LIMIT 1"
        )
        for place in range(len(value)):
            flipped = bytearray(value)
            flipped[place] ^= 2
            put = f"UPDATE {table} SET {column} = CAST(? AS {kind}) WHERE rowid = ?"
            sql(folder, put, [bytes(flipped), rowid])
            found = [problem for problem in gallery.verify() if "checksum" in problem]
            assert any(f"entry {rowid} of the table {table}" in problem for problem in found), column
        sql(folder, put, [value, rowid])
    assert sql(folder, "PRAGMA integrity_check") == [("ok",)]
    gallery.close()


@pytest.mark.parametrize(
    ("change", "use"),
    [
        ("gallery SET salt = zeroblob(32)", lambda gallery: open_gallery(gallery.folder)),
        ("gallery SET changes = 7", lambda gallery: gallery.update("key-1", {"coat": "red"})),
        ("gallery SET epoch = epoch + 1", lambda gallery: gallery.search(queries(0), 1)),
        ("removal SET item_id = 9", lambda gallery: gallery.search(queries(0), 1)),
        ("rejected SET uri = 'another'", lambda gallery: gallery.rejected()),
        ("retention SET seconds = 1", lambda gallery: gallery.overdue(datetime.now(UTC))),
    ],
)
def test_damaged_entries_are_not_believed(tmp_path, change, use):
    folder = tmp_path / "g"
    people_and_more(folder)
    gallery = writer(folder)
    sql(folder, f"UPDATE {change}")
    with pytest.raises(GalleryCorrupt, match="checksum"):
        use(gallery)
    gallery.close()
    with pytest.raises(GalleryCorrupt, match="checksum"):
        back_up(folder, tmp_path / "b.db")


def test_a_ledger_that_is_damaged_lets_nobody_return(tmp_path):
    filled(tmp_path / "g")
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = writer(tmp_path / "g")
    gallery.remove(["key-4"])
    gallery.close()
    sql(tmp_path / "g", "UPDATE removal SET key_hash = zeroblob(32)")
    with pytest.raises(GalleryCorrupt, match=r"cannot say who was removed.*move gallery\.db away"):
        restore(tmp_path / "b.db", tmp_path / "g", force=True)


def test_the_damaged_entry_of_a_file_costs_a_warning(tmp_path, caplog):
    folder, entries = tmp_path / "g", filled(tmp_path / "g")
    sql(folder, "UPDATE segment SET up_to = up_to + 2")
    reader = open_gallery(folder)
    assert_finds(reader, entries, queries(1), 40)
    (problem,) = reader.verify()
    assert "entry 1 of the table segment" in problem
    reader.close()
    writer(folder).close()
    assert "entry 1 of the table segment is damaged" in caplog.text
    assert_holds(folder, entries)


def test_a_gallery_of_format_2_is_brought_up_to_date(tmp_path, capsys):
    folder, entries = tmp_path / "g", filled(tmp_path / "g", 30)
    columns = sql(folder, "SELECT * FROM item")
    files = {path.name: path.read_bytes() for path in (folder / "segments").iterdir()}
    to_format_2(folder)
    with pytest.raises(GalleryError, match=rf"older cskt \(format 2\).*gallery compact --gallery {folder}"):
        open_gallery(folder)
    writer(folder).close()
    assert sql(folder, "SELECT * FROM item") == columns
    assert {path.name: path.read_bytes() for path in (folder / "segments").iterdir()} == files
    assert_holds(folder, entries)
    spoil(folder, "seen_at", 5)
    assert main(["gallery", "verify", "--gallery", str(folder)]) == 2
    assert "the facts of item 5 do not fit" in "".join(capsys.readouterr())


def test_killed_anywhere_in_the_upgrade_the_next_writer_goes_on(tmp_path):
    entries, old, folder = filled(tmp_path / "old"), tmp_path / "old", tmp_path / "killed"
    to_format_2(old)
    shutil.copytree(old, folder)
    with closing(OtherProcess()) as other:
        steps = other.steps("open_to_write", folder)
        for kill in range(KILLS):
            shutil.rmtree(folder)
            shutil.copytree(old, folder)
            other.kill_at(1 + kill * steps // KILLS, "open_to_write", folder)
            writer(folder).close()
            assert_holds(folder, entries)


def test_what_was_torn_before_the_upgrade_is_not_trusted_after_it(tmp_path):
    folder, entries = tmp_path / "g", filled(tmp_path / "g", 20)
    to_format_2(folder)
    spoil(folder, "uri", 7, bit=0x80)
    gallery = writer(folder)
    assert gallery.verify() == ["the facts of item 7 do not fit their checksum."]
    assert gallery.get(8) == entries[7].item
    with pytest.raises(GalleryCorrupt, match="the facts of item 7"):
        gallery.get(7)
    assert gallery.dimension == DIMENSION
    gallery.close()
