"""Erasing: afterwards a search of every byte below the folder finds nothing of the person."""

import hashlib
import random
import shutil

import numpy as np
import pytest
from gallery_makers import (
    ENCODER,
    assert_finds,
    bytes_below,
    make_item,
    queries,
    sql,
    unit,
)
from gallery_processes import OtherProcess

from indexer import vectors
from indexer.errors import GalleryBusy
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem, Rejected
from indexer.local.backup import back_up, restore
from indexer.local.checksums import enter_checksums
from indexer.local.store import Store
from indexer.local.writer import Writer

KILLS = 16
ROWS = 300
ERASED = (7, 150, 299)


def person(number):
    """An item with texts that only it has, longer than what chance could bring about."""
    facts = GalleryItem(
        key=f"a-key-of-its-own-{number:05d}",
        uri=f"gate/{number:05d}-of-its-own.jpg",
        source=f"source-{number:05d}" if number in ERASED else "everybody's",
        camera=f"camera-{number:05d}" if number in ERASED else "everybody's",
        seen_at=f"2026-05-01T12:34:56.{number:03d}Z",
        track=f"track-{number:05d}",
        attributes={f"name-{number:05d}": f"value-{number:05d}", "bag": True},
    )
    return EmbeddedItem(facts, make_item(number).vector, np.random.default_rng(number).bytes(700))


PEOPLE = [person(number) for number in range(ROWS)]
KEPT = [entry for number, entry in enumerate(PEOPLE) if number not in ERASED]


def traces(entry):
    """What must not be found, by name; the vector in the precisions and lengths it may stand in."""
    facts, half = entry.item, entry.vector.astype(np.float16)
    (name, value), *_ = facts.attributes.items()
    return {
        "float32": entry.vector.tobytes(),
        "float16": half.tobytes(),
        "float16 as float32": half.astype(np.float32).tobytes(),
        "normalised again": unit(half.astype(np.float32)).tobytes(),
        "other encoder": other_vector(entry).tobytes(),
        "thumbnail": entry.thumbnail[100:200],
        "key": facts.key.encode(),
        **{text: text.encode() for text in (facts.uri, facts.source, facts.camera, facts.track, name, value)},
        "time": facts.seen_at.encode(),
    }


def other_vector(entry):
    return (-entry.vector[::-1]).astype(np.float16)


def found_of(folder, entry):
    everything = bytes_below(folder)
    return [name for name, data in traces(entry).items() if data in everything]


def filled(folder, kind="exact"):
    """People in index files and behind them, rejected at times, with vectors of another encoder."""
    gallery = open_gallery(folder, create_for=ENCODER, write=True, kind=kind)
    bad = [Rejected(e.item.key, e.item.uri, e.item.source, f"{e.item.uri}: torn.") for e in PEOPLE[::2]]
    gallery.add([], bad)
    gallery.add(PEOPLE[:250])
    gallery.add([], [Rejected(f"{e.item.key}#2", e.item.uri, e.item.source, "torn.") for e in PEOPLE[::3]])
    gallery.build_generation()
    gallery.add(PEOPLE[250:])
    with gallery._writer.transaction() as connection:
        rows = [(id, other_vector(entry).tobytes()) for id, entry in enumerate(PEOPLE, 1)]
        connection.executemany("INSERT INTO candidate_vector VALUES (?, ?, 0)", rows)
    return gallery


@pytest.fixture
def other_process():
    process = OtherProcess()
    yield process
    process.close()


@pytest.fixture(params=["exact", "hnsw", "IVF4,Flat"])
def gallery(tmp_path, request, monkeypatch):
    monkeypatch.setattr(vectors, "LEAST_ROWS", 64)
    gallery = filled(tmp_path / "g", request.param)
    if request.param != "exact":
        assert list((tmp_path / "g" / "segments").glob("*.coarse"))
    yield gallery
    gallery.close()


def test_no_byte_is_left(tmp_path, gallery):
    for number in ERASED:  # the search itself is right: before, everything is found
        assert set(traces(PEOPLE[number])) - set(found_of(tmp_path / "g", PEOPLE[number])) <= {
            "float32",
            "normalised again",
            "float16 as float32",
        }
    assert gallery.remove([PEOPLE[number].item.key for number in ERASED], erase=True) == 3
    for number in ERASED:
        assert found_of(tmp_path / "g", PEOPLE[number]) == []
    assert "key" in found_of(tmp_path / "g", PEOPLE[8])
    assert_finds(gallery, KEPT, queries(3), 20)
    assert gallery.verify() == []
    assert gallery.add(PEOPLE) == 0
    gallery.close()
    for number in ERASED:
        assert found_of(tmp_path / "g", PEOPLE[number]) == []


def rearranged(folder, seed):
    """Make a gallery whose pages have overflowed; its keys that stand in more places than they should."""
    gallery = open_gallery(folder, create_for=ENCODER, write=True)
    keys = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(3000)]
    for start in range(0, len(keys), 500):
        some = [GalleryItem(key, "u", "s") for key in keys[start : start + 500]]
        gallery.add([EmbeddedItem(item, make_item(0).vector, b"") for item in some])
    chance = random.Random(seed)
    longer = [(f'{{"note": "{"x" * chance.randint(50, 900)}"}}', key) for key in chance.sample(keys, 1500)]
    with gallery._writer.transaction() as connection:  # pages overflow and are rearranged
        connection.executemany("UPDATE item SET attributes = ? WHERE key = ?", longer)
        enter_checksums(connection)
    gallery.close()  # and the log is in the database
    before = (folder / "gallery.db").read_bytes()
    return [key for key in keys if before.count(key.encode()) > 2]  # in its row, and in the index of keys


def test_copies_that_the_database_left_in_rearranged_pages_go_too(tmp_path):
    """SQLite's secure_delete overwrites a deleted row where it stands, not where it stood once."""
    for seed in range(10):  # how pages are filled depends on times and salts too: mostly the first one does
        often = rearranged(tmp_path / "g", seed)
        if often:
            break
        shutil.rmtree(tmp_path / "g")
    assert often
    gallery = open_gallery(tmp_path / "g", write=True)
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery.remove(often, erase=True)
    after = bytes_below(tmp_path / "g")
    assert [key for key in often if key.encode() in after] == []
    gallery.close()
    assert restore(tmp_path / "b.db", tmp_path / "g", force=True).removed_again == len(often)
    after = bytes_below(tmp_path / "g")
    assert [key for key in often if key.encode() in after] == []


def test_a_reader_in_another_process_goes_on(tmp_path, gallery, other_process):
    other_process.start("only_search", tmp_path / "g", 3, 5)
    assert other_process.line() == "searching"
    gallery.remove([PEOPLE[number].item.key for number in ERASED], erase=True)
    assert [found_of(tmp_path / "g", PEOPLE[number]) for number in ERASED] == [[], [], []]
    other_process.kill()


def test_a_reader_in_the_middle_of_a_question_delays_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Writer.empty_log, "__defaults__", (0.1,))
    gallery = filled(tmp_path / "g")
    reader = Store(tmp_path / "g")
    with reader.one_moment():
        reader.count("item")
        with pytest.raises(GalleryBusy, match="holds on to an old state"):
            gallery.remove([PEOPLE[7].item.key], erase=True)
        gallery.close()
        gallery = open_gallery(tmp_path / "g", write=True)  # adding need not wait
        assert "have left traces" in caplog.text
        assert gallery.add([person(ROWS)]) == 1
        assert found_of(tmp_path / "g", PEOPLE[7]) != []
    reader.close()
    assert gallery.remove([PEOPLE[7].item.key], erase=True) == 0  # ends what was begun
    assert found_of(tmp_path / "g", PEOPLE[7]) == []
    gallery.close()


def test_killed_anywhere_the_next_writer_ends_it(tmp_path, other_process):
    filled(tmp_path / "whole").close()
    folder, key = tmp_path / "g", PEOPLE[150].item.key
    shutil.copytree(tmp_path / "whole", folder)
    steps, erased = other_process.steps("erase", folder, key), []
    for kill in range(KILLS):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "whole", folder)
        other_process.kill_at(1 + kill * steps // KILLS, "erase", folder, key)
        open_gallery(folder).close()
        gallery = open_gallery(folder, write=True)
        assert gallery.verify() == []
        gallery.close()
        erased.append(sql(folder, "SELECT count(*) FROM item WHERE key = ?", [key]) == [(0,)])
        assert (found_of(folder, PEOPLE[150]) == []) == erased[-1]
    assert erased == sorted(erased)
    assert set(erased) == {False, True}


def test_an_older_backup_brings_nothing_back(tmp_path):
    filled(tmp_path / "g").close()
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery = open_gallery(tmp_path / "g", write=True)
    gallery.remove([PEOPLE[number].item.key for number in ERASED], erase=True)
    gallery.close()
    back_up(tmp_path / "g", tmp_path / "later.db")
    for folder, ledgers in (("g", []), ("new", [tmp_path / "later.db"])):
        restore(tmp_path / "b.db", tmp_path / folder, ledgers)
        assert [found_of(tmp_path / folder, PEOPLE[number]) for number in ERASED] == [[], [], []]
        reader = open_gallery(tmp_path / folder)
        assert_finds(reader, KEPT, queries(1), 10)
        reader.close()


@pytest.mark.parametrize("then", ["removed before", "only rejected"])
def test_what_is_left_of_a_key_goes_too(tmp_path, then):
    gallery, folder, other = filled(tmp_path / "g"), tmp_path / "g", person(ROWS)
    if then == "removed before":
        key = PEOPLE[7].item.key
        gallery.remove([key])
        assert {"track-00007", "float16"} & {*found_of(folder, PEOPLE[7])}
    else:
        key = other.item.key
        gallery.add([], [Rejected(key, other.item.uri, "s", "torn.")])
        gallery.add([], [Rejected(f"{key}#2", other.item.uri, "s", "torn.")])
        gallery.remove([f"{key}#2"], erase=True)
    assert gallery.remove([key], erase=True) == 0
    assert set(found_of(folder, PEOPLE[7] if then == "removed before" else other)) <= {"everybody's"}
    assert gallery.add([PEOPLE[7], other]) == (1 if then == "removed before" else 0)
    assert gallery.verify() == []
    gallery.close()


def test_removing_by_ids_answers_how_many_there_were(tmp_path):
    gallery = filled(tmp_path / "g")
    assert gallery.remove_ids([8, 8, 151, 9999], erase=True) == 2
    assert len(gallery) == ROWS - 2
    gallery.close()
