"""Records of commands name whom they show or remove, before they do, as those of the service."""

import json
from pathlib import Path

import numpy as np
import pytest
from gallery_makers import sql
from PIL import Image
from tiny_encoder import tiny_checkpoint

from service.audit import command_line
from service.audit.places import Places
from service.audit.record import Record
from service.audit.verifier import check_files
from service.audit.writer import BookLog
from service.cli import main
from service.errors import NotRecorded

PEOPLE = 12


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("encoder") / "one", 1))


@pytest.fixture
def gallery(tmp_path: Path, encoder: str) -> Path:
    """Noise pictures of two cameras with three tracks of two each, and a state folder beside them."""
    rng = np.random.default_rng(0)
    rows = ["path,camera,track,seen_at"]
    for number in range(PEOPLE):
        pixels = rng.integers(0, 256, (64, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,cam{number % 2},t{number % 3},2020-05-01T12:00:{number:02d}Z")
    (tmp_path / "people.csv").write_text("\n".join(rows), "utf-8")
    folder = tmp_path / "g"
    index = ["index", f"manifest:{tmp_path / 'people.csv'}", "--gallery", str(folder), "--encoder", encoder]
    assert main(index) == 0
    (tmp_path / "g.state").mkdir()
    return folder


def records(gallery: Path, action: str) -> list[dict]:
    """Those of one command, in order; all of the log holds."""
    places = Places.of(gallery.with_name("g.state"))
    assert check_files(places.books, places.key_file, places.heads, None).problems == []
    lines = [json.loads(line) for line in places.book("book-0001").read_bytes().splitlines()]
    return [line for line in lines if line["action"] == action]


def ids_of(gallery: Path, camera: str) -> list[int]:
    return [id for (id,) in sql(gallery, f"SELECT id FROM item WHERE camera = '{camera}' ORDER BY id")]


@pytest.mark.parametrize("more", [[], ["--group"], ["--camera", "cam1"]])
def test_a_search_names_who_is_shown_with_the_rest_of_their_passages(gallery, capsys, more) -> None:
    capsys.readouterr()
    assert main(["search", "a red coat", "--gallery", str(gallery), "--top-k", "3", "--json", *more]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    shown = [one["id"] for hit in hits for one in (hit, *hit.get("others", ()))]
    begun, named, ended = records(gallery, "search")
    assert (begun["words"], begun["shown"]) == ("a red coat", [])
    assert (named["shown"], named["facts"]["items"]) == (shown, len(shown))
    assert (ended["facts"]["ended"], ended["shown"]) == (0, [])
    assert len(shown) == (6 if "--group" in more else 3)
    assert set(named) == set(begun) == {*vars(Record("", "", "")), "at", "seq", "mac"}


def test_a_removal_names_who_is_removed_as_does_its_rehearsal(gallery, capsys) -> None:
    there = ids_of(gallery, "cam1")
    remove = ["remove", "--gallery", str(gallery), "--camera", "cam1"]
    assert main([*remove, "--dry-run"]) == 0
    assert main(remove) == 2  # nobody is at the terminal to agree
    assert main([*remove, "--yes"]) == 0
    assert ids_of(gallery, "cam1") == []
    told = records(gallery, "remove")
    assert [one["shown"] for one in told if one["shown"]] == [there, there]
    runs = [one["request"] for one in told]
    assert runs == sorted(runs, key=runs.index)  # those of one run stand together here, and have one number
    assert len(set(runs)) == 3
    assert all(runs)
    capsys.readouterr()


def test_an_erasure_by_key_names_who_came_meanwhile(gallery, encoder, monkeypatch) -> None:
    """By keys, all that have them are erased, whoever was there when it was asked for."""
    (first,) = sql(gallery, "SELECT id, key FROM item ORDER BY id LIMIT 1")
    monkeypatch.setattr("indexer.remove_command._chosen", lambda *_: np.empty(0, np.int64))
    assert main(["remove", "--gallery", str(gallery), "--erase", "--key", first[1]]) == 0
    assert [one["shown"] for one in records(gallery, "remove") if one["shown"]] == [[first[0]]]


def test_expiring_names_who_is_erased(gallery) -> None:
    there = sorted(ids_of(gallery, "cam0") + ids_of(gallery, "cam1"))
    keep = ["gallery", "retention", "--gallery", str(gallery), "--set", "30d"]
    assert main(keep) == 0
    assert main(["gallery", "expire", "--gallery", str(gallery)]) == 2  # it would be everybody
    assert main(["gallery", "expire", "--gallery", str(gallery), "--yes"]) == 0
    (named,) = [one["shown"] for one in records(gallery, "expire") if one["shown"]]
    assert sorted(named) == there


def test_more_than_fit_into_one_record_are_in_several(gallery, monkeypatch) -> None:
    there = sorted(ids_of(gallery, "cam0") + ids_of(gallery, "cam1"))
    monkeypatch.setattr(command_line, "MOST_ITEMS", 5)
    assert main(["remove", "--gallery", str(gallery), "--all", "--yes"]) == 0
    named = [one for one in records(gallery, "remove") if one["shown"]]
    assert [len(one["shown"]) for one in named] == [5, 5, 2]
    assert [id for one in named for id in one["shown"]] == there
    assert {one["facts"]["items"] for one in named} == {PEOPLE}


def test_who_cannot_be_recorded_is_neither_shown_nor_removed(gallery, monkeypatch, capsys) -> None:
    class Full(BookLog):
        """A log with no space for names."""

        def write_now(self, record: Record) -> None:
            if record.shown:
                raise NotRecorded("This cannot be recorded.")
            super().write_now(record)

    monkeypatch.setattr(command_line, "BookLog", Full)
    there = ids_of(gallery, "cam1")
    for command in (["search", "a red coat"], ["remove", "--camera", "cam1", "--yes"]):
        capsys.readouterr()
        assert main([*command, "--gallery", str(gallery)]) == 2
        told = capsys.readouterr()
        assert (told.out, told.err) == ("", "cskt: This cannot be recorded.\n")
    assert ids_of(gallery, "cam1") == there
