"""`cskt people`: files in CUHK-PEDES form and a manifest, identical for the same seed."""

import argparse
import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from model.datasets import available_splits, load_split
from model.errors import DatasetError
from model.people.attributes import ATTRIBUTES
from model.people.write import PeopleOrder, add_people, write_people


def order(out: Path, identities: int = 6, **changes: object) -> PeopleOrder:
    return PeopleOrder(out, identities, 2, 11, height=96, width=48, **changes)  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people") / "set"
    assert write_people(order(out), workers=1) == 12
    return out


def test_annotations_are_in_cuhk_pedes_form(written: Path) -> None:
    entries = json.loads((written / "reid_raw.json").read_text())
    assert len(entries) == 12
    for entry in entries:
        assert set(entry) == {
            "split",
            "captions",
            "file_path",
            "processed_tokens",
            "id",
            "camera",
            "attributes",
        }
        assert entry["split"] in ("train", "val", "test")
        assert len(entry["captions"]) == len(entry["processed_tokens"]) == 2
        with Image.open(written / "imgs" / entry["file_path"]) as image:
            assert image.size == (48, 96)
            assert image.format == "JPEG"
    assert {entry["id"] for entry in entries} == set(range(6))


def test_the_manifest_names_every_picture_with_its_facts(written: Path) -> None:
    with (written / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["key"] for row in rows}) == 12
    for row in rows:
        assert (written / row["path"]).is_file()
        assert row["seen_at"].startswith("2026-03-")
        assert row["seen_at"].endswith("Z")
        assert row["camera"] in row["path"].replace("_", " ")
        for name, classes in ATTRIBUTES.items():
            assert row[name] in classes
    tracks = {(row["camera"], row["identity"]): row["track"] for row in rows}
    assert len(set(tracks.values())) == len(tracks)


def test_annotations_tell_camera_and_attributes_as_the_manifest_does(written: Path) -> None:
    with (written / "manifest.csv").open(newline="") as file:
        rows = {row["path"].removeprefix("imgs/"): row for row in csv.DictReader(file)}
    samples = [
        sample
        for split in available_splits("folder", written)
        for sample in load_split("folder", written, split).samples
    ]
    assert len(samples) == 24
    for sample in samples:
        row = rows[str(sample.path.relative_to(written / "imgs"))]
        assert sample.camera == row["camera"]
        assert sample.attributes == {name: row[name] for name in ATTRIBUTES}


def test_the_same_seed_writes_the_same_files_with_any_number_of_workers(
    written: Path, tmp_path: Path
) -> None:
    write_people(order(tmp_path / "again", 8), workers=2)
    again, first = files(tmp_path / "again"), files(written)
    pictures = [name for name in first if name.startswith("imgs/")]
    assert all(again[name] == first[name] for name in pictures)
    assert again["manifest.csv"].startswith(first["manifest.csv"])


def test_splits_follow_identities_or_are_forced(tmp_path: Path) -> None:
    write_people(order(tmp_path / "forced", 2, split="test"), workers=1)
    entries = json.loads((tmp_path / "forced" / "reid_raw.json").read_text())
    assert {entry["split"] for entry in entries} == {"test"}


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(DatasetError, match="empty folder"):
        write_people(order(tmp_path), workers=1)
    with pytest.raises(DatasetError, match="at least one"):
        write_people(PeopleOrder(tmp_path / "none", 0, 1, 1), workers=1)


def test_the_command_writes_what_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_people(parser.add_subparsers())
    words = [
        "people",
        str(tmp_path / "out"),
        "--identities",
        "1",
        "--images-per-identity",
        "1",
        "--seed",
        "5",
        "--domain",
        "shifted",
    ]
    arguments = parser.parse_args(words)
    assert arguments.run(arguments) == 0
    assert "1 pictures of 1 people" in capsys.readouterr().out
    assert len(list((tmp_path / "out" / "imgs").rglob("*.jpg"))) == 1
