"""Reading one moment: what goes wrong inside is told as it is, and nothing stays open."""

import pytest
from gallery_makers import writer

from indexer.errors import GalleryCorrupt
from indexer.local.database import connect_reader, damaged, reading


def read_torn(connection, path, ended):
    with reading(connection, path):
        if ended:
            connection.execute("ROLLBACK")  # as SQLite does by itself when the disk fails
        raise damaged(path, "a page is torn")


@pytest.mark.parametrize("ended", [False, True])
def test_what_went_wrong_is_said_even_if_it_ended_the_transaction(tmp_path, ended):
    writer(tmp_path / "g").close()
    path = tmp_path / "g" / "gallery.db"
    connection = connect_reader(path)
    with pytest.raises(GalleryCorrupt, match="a page is torn"):
        read_torn(connection, path, ended)
    assert not connection.in_transaction
    connection.close()


def test_a_block_inside_another_shows_its_moment(tmp_path):
    gallery, path = writer(tmp_path / "g"), tmp_path / "g" / "gallery.db"
    connection = connect_reader(path)
    query = "SELECT count(*) FROM retention"
    with reading(connection, path):
        assert connection.execute(query).fetchone() == (0,)
        gallery.set_retention("gate", 60)
        with reading(connection, path):
            assert connection.execute(query).fetchone() == (0,)
        assert connection.execute(query).fetchone() == (0,)
    with reading(connection, path):
        assert connection.execute(query).fetchone() == (1,)
    connection.close()
    gallery.close()
