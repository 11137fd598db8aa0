"""A file is the old one or the new one, whatever happens while it is written."""

import pytest

from model.whole_file import whole_file, write_whole


def test_the_new_file_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "kept.json"
    write_whole(path, "old")
    write_whole(path, "nëw")
    assert path.read_text("utf-8") == "nëw"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept.json"
    write_whole(path, "old")

    def fail_half_way():
        with whole_file(path) as file:
            file.write(b"half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_old_file_until_the_end(tmp_path):
    path = tmp_path / "kept.json"
    write_whole(path, "old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text("utf-8") == "old"
    assert path.read_text("utf-8") == "new"
