"""A row that vanished, or whose number turned, is missed: nobody stays hidden."""

import re

import pytest
from gallery_makers import filled, make_item, make_items, queries, sql, writer

from indexer.errors import GalleryCorrupt
from indexer.gallery import open_gallery
from indexer.local.database import PAGE_BYTES


@pytest.mark.parametrize(("table", "column"), [("vector", "item_id"), ("item", "id")])
def test_the_last_rows_are_missed_too(tmp_path, table, column):
    filled(tmp_path / "g", 20)
    sql(tmp_path / "g", f"DELETE FROM {table} WHERE {column} > 15")
    gallery = open_gallery(tmp_path / "g")
    with pytest.raises(GalleryCorrupt, match=r"the last item is .*, the last vector that of"):
        gallery.search(queries(0), 3)
    gallery.close()


def test_a_row_that_has_vanished_is_not_taken_for_a_removed_one(tmp_path):
    folder = tmp_path / "g"
    filled(folder)
    gallery = open_gallery(folder)
    gallery.refresh()
    for table, column in (("item", "id"), ("vector", "item_id"), ("thumbnail", "item_id")):
        sql(folder, f"DELETE FROM {table} WHERE {column} = 3")
    with pytest.raises(GalleryCorrupt, match="items that its index files hold are missing"):
        gallery.search(queries(0), 10)
    gallery.close()


@pytest.mark.parametrize(
    ("table", "id", "bit"),
    [
        ("item", 23, 64),  # which a search for the first fresh row meets, halving the page: it is led astray
        ("vector", 38, 32),  # a fresh one, that stands before smaller ones now
    ],
)
def test_a_turned_bit_in_an_id_hides_nobody(tmp_path, table, id, bit):
    folder, old, fresh = tmp_path / "g", 30, 15
    gallery = writer(folder)
    gallery.add(make_items(0, old))
    gallery.build_generation()
    gallery.add(make_items(old, fresh))
    gallery.close()
    file = folder / "gallery.db"
    ((root,),) = sql(folder, "SELECT rootpage FROM sqlite_master WHERE name = ?", [table])
    data, page = bytearray(file.read_bytes()), (root - 1) * PAGE_BYTES
    assert (data[page], int.from_bytes(data[page + 3 : page + 5])) == (13, old + fresh)  # one leaf
    cell = page + int.from_bytes(data[page + 6 + 2 * id : page + 8 + 2 * id])
    place = next(place for place in range(cell, cell + 9) if data[place] < 128) + 1  # behind the length
    assert data[place] == id
    data[place] ^= bit
    file.write_bytes(data)
    with pytest.raises(GalleryCorrupt, match=re.escape(str(file))):
        open_gallery(folder).search(make_item(old + 3).vector[None], 1)
    with pytest.raises(GalleryCorrupt, match=re.escape(str(file))):
        writer(folder).build_generation()
