"""One key is stored, rejected or removed, whatever a source says of it and in whichever order."""

import pytest
from gallery_makers import bytes_below, make_items, sql, writer

from indexer.items import Rejected

BAD = Rejected("key-1", "elsewhere/1.jpg", "folder-0", "is torn.")


@pytest.mark.parametrize("later", [False, True])
def test_a_source_that_names_a_key_twice_does_not_keep_its_item_from_being_erased(tmp_path, later):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5), [] if later else [BAD])
    gallery.add([], [BAD])
    assert gallery.rejected() == []
    assert gallery.remove(["key-1"], erase=True) == 1
    gallery.close()


@pytest.mark.parametrize("erase", [False, True])
def test_a_removed_key_does_not_come_back_as_a_rejected_one(tmp_path, erase):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5))
    gallery.remove(["key-1"], erase=erase)
    gallery.add([], [BAD, Rejected("key-9", "u", "s", "is torn.")])
    assert [bad.key for bad in gallery.rejected()] == ["key-9"]
    gallery.close()
    assert (BAD.uri.encode() in bytes_below(tmp_path / "g")) is False


def test_an_erasure_that_was_cut_off_before_it_removed_anything_can_be_repeated(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 5))
    gallery._writer.remove_rejected(["key-1"])
    assert sql(tmp_path / "g", "SELECT * FROM removal") == []
    assert gallery.remove(["key-1"], erase=True) == 1
    gallery.close()
