"""`cskt gallery info | verify | compact | backup | restore` and `cskt remove` as a person uses them."""

import io
import json

import pytest
from gallery_makers import assert_holds, bytes_below, change, filled, make_item, make_items, sql, writer

from indexer.items import EmbeddedItem, Rejected
from indexer.sources.manifest import ManifestSource
from service.cli import main


@pytest.fixture
def gallery(tmp_path):
    filled(tmp_path / "g", 60)
    return str(tmp_path / "g")


def run(capsys, *command):
    """Exit status, what was printed, what was complained about."""
    capsys.readouterr()
    status = main([str(part) for part in command])
    return (status, *capsys.readouterr())


def left(gallery):
    return {key for (key,) in sql(gallery, "SELECT key FROM item")}


def kept_by(gallery, keep):
    return {entry.item.key for entry in make_items(0, 60) if keep(entry.item)}


def test_info_and_verify(gallery, capsys):
    status, out, _ = run(capsys, "gallery", "info", "--gallery", gallery, "--json")
    facts = json.loads(out)
    cameras = [entry.item.camera for entry in make_items(0, 60)]
    assert (status, facts["items"]) == (0, 60)
    assert facts["cameras"] == {name: cameras.count(name) for name in {*cameras} - {None}}
    status, out, _ = run(capsys, "gallery", "verify", "--gallery", gallery)
    assert (status, out) == (0, "sound: 60 items, every row and index file checked.\n")
    sql(gallery, "UPDATE vector SET crc = 1 WHERE item_id = 9")
    status, out, _ = run(capsys, "gallery", "verify", "--gallery", gallery)
    assert (status, out) == (2, "the vector of item 9 does not fit its checksum.\n")


def test_names_cannot_steer_the_terminal(tmp_path, capsys):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 3), [Rejected("bad", "b\x1b[2J.jpg", "s\nt", "no\x1b picture")])
    gallery.close()
    change(tmp_path / "g", "gallery", "encoder = 'e\x1b[2J'")
    status, out, _ = run(capsys, "gallery", "info", "--gallery", tmp_path / "g")
    assert status == 0
    assert "\x1b" not in out
    status, _, err = run(capsys, "search", "a coat", "--gallery", tmp_path / "g")
    assert status == 2
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("choice", "goes"),
    [
        (["--id", "4", "--id", "9", "--id", "1000"], lambda item: item.key in ("key-3", "key-8")),
        (["--key", "key-3", "--key", "no such"], lambda item: item.key == "key-3"),
        (
            ["--camera", "camera-1", "--camera", "camera-2"],
            lambda item: item.camera in ("camera-1", "camera-2"),
        ),
        (
            ["--source", "folder-1", "--track", "track-2"],
            lambda item: (item.source, item.track) == ("folder-1", "track-2"),
        ),
        (
            ["--from", "2026-05-01T12:20:00Z", "--until", "2026-05-01 14:40+02:00"],
            lambda item: "2026-05-01T12:20" <= (item.seen_at or "") < "2026-05-01T12:40",
        ),
        (
            ["--where", "coat = red and not bag = true", "--where", "track exists"],
            lambda item: item.attributes["coat"] == "red" and not item.attributes["bag"] and item.track,
        ),
        (["--key", "key-3", "--camera", "no such"], lambda item: False),
        (["--all"], lambda item: True),
    ],
)
def test_what_is_chosen_goes_and_nothing_else(gallery, capsys, choice, goes):
    expected = kept_by(gallery, lambda item: not goes(item))
    ids = sorted(int(key[4:]) + 1 for key in left(gallery) - expected)
    command = ["remove", "--gallery", gallery, *choice, "--json"]
    status, out, _ = run(capsys, *command, "--dry-run")
    assert (status, json.loads(out)) == (0, {"ids": ids, "items": 60})
    assert len(left(gallery)) == 60
    status, out, _ = run(capsys, *command, "--yes")
    assert (status, json.loads(out)) == (0, {"removed": len(ids), "erased": False, "items": 60 - len(ids)})
    assert left(gallery) == expected


def test_who_is_erased_by_a_number_is_known_by_a_number(tmp_path, capsys):
    table = "path,age,conf\na.png,35,0.9\nb.png,unknown,1e-05\nc.png,,.5\nd.png,8,none\n"
    (tmp_path / "people.csv").write_text(table)
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(b"a picture")
    images = ManifestSource(str(tmp_path / "people.csv"))
    gallery = writer(tmp_path / "g")
    gallery.add([EmbeddedItem(image.item, make_item(0).vector, b"") for image in images])
    gallery.close()
    gallery = tmp_path / "g"
    for where, ids in (("conf > 0.4", [1, 3]), ("conf < .4", [2]), ("age > 30", [1]), ("age <= 1e1", [4])):
        _, out, _ = run(capsys, "remove", "--gallery", gallery, "--where", where, "--dry-run", "--json")
        assert (where, json.loads(out)["ids"]) == (where, ids)


def test_a_dry_run_lists_who_would_go(gallery, capsys):
    status, out, _ = run(capsys, "remove", "--gallery", gallery, "--id", 4, "--dry-run")
    assert status == 0
    assert "pictures/3.jpg" in out
    assert out.endswith("1 of 60 items would be removed.\n")


def test_erased_through_the_command_no_byte_is_left(gallery, capsys):
    status, out, _ = run(capsys, "remove", "--gallery", gallery, "--key", "key-13", "--erase", "--yes")
    said = (
        "1 of 60 items erased: no trace is left of them, or of anyone removed before; the gallery holds 59.\n"
    )
    assert (status, out) == (0, said)
    assert traces_of(gallery, 13) == []


def traces_of(gallery, number):
    (gone,) = make_items(number, 1)
    marks = (gone.vector.astype("<f2").tobytes(), f"pictures/{number}.jpg".encode())
    return [mark for mark in marks if mark in bytes_below(gallery)]


@pytest.mark.parametrize(
    "choice", [["--id", "14"], ["--key", "key-13"], ["--where", "coat = none"], ["--all"]]
)
def test_erasing_erases_also_who_was_removed_before(gallery, capsys, choice):
    assert run(capsys, "remove", "--gallery", gallery, "--id", 14, "--yes")[0] == 0
    assert traces_of(gallery, 13) != []
    status, out, _ = run(capsys, "remove", "--gallery", gallery, *choice, "--erase", "--yes")
    assert (status, "no trace is left" in out) == (0, True)
    assert traces_of(gallery, 13) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "removed"), [("y\n", 1), ("Yes\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_a_person_at_a_terminal_is_asked(gallery, capsys, monkeypatch, answer, removed):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    status, _, err = run(capsys, "remove", "--gallery", gallery, "--key", "key-5")
    assert status == 0
    assert "1 of 60 items will be removed for good. Go on? [y/N]" in err
    assert len(left(gallery)) == 60 - removed


def test_a_backup_there_and_back(tmp_path, gallery, capsys):
    status, out, _ = run(capsys, "gallery", "backup", tmp_path / "b.db", "--gallery", gallery)
    assert status == 0
    assert out.startswith(f"60 items in {tmp_path / 'b.db'} (")
    assert run(capsys, "remove", "--gallery", gallery, "--id", 8, "--yes")[0] == 0
    status, out, _ = run(capsys, "gallery", "restore", tmp_path / "b.db", "--gallery", gallery)
    assert (status, out) == (0, "restored: the gallery holds 59 items; removed again: 1.\n")
    ledger = ["--ledger", gallery]
    for extra, items in ((["--force"], 60), (ledger, 59)):
        place = tmp_path / f"new-{items}"
        status, out, _ = run(capsys, "gallery", "restore", tmp_path / "b.db", "--gallery", place, *extra)
        assert status == 0
        assert f"holds {items} items" in out
    entries = make_items(0, 60)
    assert_holds(tmp_path / "new-59", entries[:7] + entries[8:])


def test_compact_gives_back_what_removed_items_took(tmp_path, capsys):
    gallery = writer(tmp_path / "g")
    gallery.add(make_items(0, 3000))
    gallery.build_generation()
    gallery.remove([f"key-{number}" for number in range(2900)])
    before = gallery.stats().bytes_on_disk
    gallery.close()
    status, out, _ = run(capsys, "gallery", "compact", "--gallery", tmp_path / "g")
    assert status == 0
    assert out.startswith("100 items in ")
    gallery = writer(tmp_path / "g")
    assert gallery.stats().bytes_on_disk < before * 0.6
    gallery.close()
    assert_holds(tmp_path / "g", make_items(2900, 100))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["remove", "--gallery", "GALLERY"], "say what to remove"),
        (["remove", "--gallery", "GALLERY", "--camera", "camera-1", "--until", "", "--yes"], "is no time"),
        (["remove", "--gallery", "GALLERY", "--camera", "camera-1", "--where", "", "--yes"], "filter"),
        (["gallery", "retention", "--gallery", "GALLERY", "--camera", "", "--set", "1h"], "camera is empty"),
        (["remove", "--gallery", "GALLERY", "--all", "--id", "1"], "--all does not go with"),
        (
            ["remove", "--gallery", "GALLERY", "--id", "1"],
            "1 of 60 items will be removed for good: say --yes",
        ),
        (["remove", "--gallery", "GALLERY", "--id", "1", "--erase"], "without a trace: say --yes"),
        (["remove", "--gallery", "GALLERY", "--where", "coat ="], "the filter cannot be read"),
        (["remove", "--gallery", "GALLERY", "--from", "noon"], "is no time"),
        (["remove", "--gallery", "GALLERY/none", "--id", "1", "--yes"], "no gallery"),
        (["gallery", "info", "--gallery", "GALLERY/none"], "no gallery"),
        (["gallery", "compact", "--gallery", "GALLERY/none"], "no gallery"),
        (["gallery", "backup", "GALLERY/b", "--gallery", "GALLERY"], "inside the gallery"),
        (["gallery", "backup", "GALLERY/../b", "--gallery", "GALLERY/none"], "no gallery"),
        (["gallery", "backup", "GALLERY/../b", "--gallery", "s3://bucket"], "unknown kind of gallery"),
        (["gallery", "restore", "GALLERY/../none", "--gallery", "GALLERY"], "no backup at"),
        (["gallery", "restore", "GALLERY", "--gallery", "GALLERY/../new"], "says who was removed since"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(gallery, capsys, command, said):
    status, out, err = run(capsys, *(part.replace("GALLERY", gallery) for part in command))
    assert (status, out) == (2, "")
    assert said in err
    assert err.startswith("cskt: ")
    assert err.count("\n") == 1
    assert len(left(gallery)) == 60


def test_the_kind_of_index_is_chosen_and_told(gallery, capsys):
    assert main(["gallery", "compact", "--gallery", gallery, "--index", "hnsw"]) == 0
    assert "index: every row is scanned: exact." in capsys.readouterr().out  # so few rows are
    assert main(["gallery", "info", "--gallery", gallery, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["index_kind"], facts["index"]) == ("hnsw", "every row is scanned: exact")
    assert main(["gallery", "compact", "--gallery", gallery, "--index", "fastest"]) == 2
    assert "'fastest' is no kind of index" in capsys.readouterr().err
