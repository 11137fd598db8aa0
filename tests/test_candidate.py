"""Writers beside a migration: vectors of two encoders never meet, and each writer has its turn."""

import threading
from contextlib import closing

import numpy as np
import pytest
from gallery_makers import ENCODER, assert_holds, make_items, sql, writer

from indexer import migration
from indexer.errors import GalleryCorrupt, GalleryError
from indexer.gallery import open_gallery
from indexer.local import candidate
from indexer.local.backup import back_up
from indexer.local.store import Store
from indexer.local.writer import Writer

NEXT = ("next", "cd" * 32, 4)
FOUR = np.eye(4, dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 4))
    gallery.close()
    return tmp_path / "g"


@pytest.mark.parametrize("meanwhile", ["switched", "discarded", "discarded, and another one begun"])
def test_who_comes_too_late_changes_nothing(folder, meanwhile):
    writing = Writer(folder)
    with writing.transaction() as connection:
        candidate.begin(connection, *NEXT)
        candidate.add(connection, NEXT[1], [1, 2, 3, 4], FOUR)
        if meanwhile == "switched":
            candidate.switch(connection, NEXT[1])
        else:
            candidate.discard(connection)
            if "begun" in meanwhile:
                candidate.begin(connection, "another", "ef" * 32, 4)
    before = [sql(folder, f"SELECT * FROM {table}") for table in ("gallery", "vector", "candidate_vector")]
    for late in (
        lambda connection: candidate.add(connection, NEXT[1], [4], FOUR[3:]),
        lambda connection: candidate.switch(connection, NEXT[1]),
    ):
        with pytest.raises(GalleryError, match="another process"), writing.transaction() as connection:
            late(connection)
    writing.close()
    assert before == [
        sql(folder, f"SELECT * FROM {table}") for table in ("gallery", "vector", "candidate_vector")
    ]
    assert sql(folder, "SELECT fingerprint FROM gallery") == [
        (NEXT[1] if meanwhile == "switched" else ENCODER[1],)
    ]


def test_a_migration_waits_for_another_writer_and_says_so_once(folder, monkeypatch, caplog):
    monkeypatch.setattr(migration, "_BUSY_SECONDS", 0.01)
    writing = Writer(folder)
    with writing.transaction() as connection:
        candidate.begin(connection, *NEXT)
    waiting = threading.Thread(target=migration.discard, args=[folder])
    waiting.start()
    while not caplog.records:
        waiting.join(0.01)
    assert sql(folder, "SELECT count(*) FROM candidate") == [(1,)]
    writing.close()
    waiting.join()
    assert sql(folder, "SELECT count(*) FROM candidate") == [(0,)]
    (message,) = {record.getMessage() for record in caplog.records}
    assert "goes on later" in message


def test_a_damaged_crop_is_not_embedded(folder):
    with closing(Store(folder)) as store:
        jpegs = [entry.thumbnail for entry in make_items(0, 4)]
        assert candidate.crops_without(store, 9) == list(enumerate(jpegs, 1))
        sql(folder, "UPDATE thumbnail SET jpeg = ? WHERE item_id = 3", [jpegs[0]])
        with pytest.raises(GalleryCorrupt, match=r"thumbnail of item 3 .* `cskt remove --id 3`"):
            candidate.crops_without(store, 9)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE candidate_vector SET crc = crc + 1 WHERE item_id = 2", "the vector of item 2 does not fit"),
        ("UPDATE candidate_vector SET value = x'00' WHERE item_id = 2", "the vector of item 2 has 1 bytes"),
        (
            "INSERT INTO candidate_vector SELECT 9, value, crc FROM candidate_vector LIMIT 1",
            "1 vectors belong",
        ),
    ],
)
def test_its_damaged_vectors_are_told_and_not_backed_up(folder, tmp_path, damage, said):
    with closing(Writer(folder)) as writing, writing.transaction() as connection:
        candidate.begin(connection, *NEXT)
        candidate.add(connection, NEXT[1], [1, 2, 3, 4], FOUR)
    back_up(folder, tmp_path / "sound.db")
    sql(folder, damage)
    with closing(open_gallery(folder)) as gallery:
        (problem,) = gallery.verify()
    assert f"of the encoder next, which does not live, {said}" in problem
    with pytest.raises(GalleryCorrupt, match=said):
        back_up(folder, tmp_path / "b.db")
    migration.discard(folder)
    assert_holds(folder, make_items(0, 4))
