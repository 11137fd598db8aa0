"""Data set readers: every entry of the registry, the parsing rules, and what they say about broken files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.datasets import DATASETS, load_split
from model.datasets.identity_sampler import identity_order
from model.datasets.samples import Sample, read_image, read_split
from model.errors import DatasetError


def entry(layout, path, identity, split="train", captions=("A man.",)):
    return {"split": split, "captions": list(captions), layout.path_key: path, "id": identity}


def write(layout, root, entries, name=None, images=True):
    file = root / (name or layout.files[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(entries), encoding="utf-8")
    if images:
        for item in entries:
            path = file.parent / "imgs" / item[layout.path_key]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    return file


@pytest.mark.parametrize("name", DATASETS)
def test_samples_come_in_file_order_one_per_caption(name, tmp_path):
    layout = DATASETS[name]
    first = layout.first_identity
    entries = [
        entry(layout, "a/2.jpg", first + 1, captions=["Zwei.", "Deux."]),
        entry(layout, "a/9.jpg", 900, split="test"),
        entry(layout, "a/1.jpg", first),
        entry(layout, "a/7.jpg", 700, split="validation"),
    ]
    folder = write(layout, tmp_path, entries).parent / "imgs" / "a"
    assert load_split(name, tmp_path, "train").samples == [
        Sample(1, 0, folder / "2.jpg", "Zwei."),
        Sample(1, 0, folder / "2.jpg", "Deux."),
        Sample(0, 1, folder / "1.jpg", "A man."),
    ]
    assert load_split(name, tmp_path, "test").samples == [Sample(900, 0, folder / "9.jpg", "A man.")]
    assert load_split(name, tmp_path, "val").samples == [Sample(700, 0, folder / "7.jpg", "A man.")]


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name in DATASETS for file in DATASETS[name].files]
)
def test_every_spelling_of_the_annotation_file_is_found(name, file, tmp_path):
    layout = DATASETS[name]
    write(layout, tmp_path, [entry(layout, "x.jpg", 5, split="test")], name=file)
    (sample,) = load_split(name, tmp_path, "test").samples
    assert sample.path == (tmp_path / file).parent / "imgs" / "x.jpg"


def test_training_identities_must_be_gapless_except_in_a_folder(tmp_path):
    cuhk = DATASETS["cuhk_pedes"]
    write(cuhk, tmp_path, [entry(cuhk, "1.jpg", 1), entry(cuhk, "4.jpg", 4)], name="reid_raw.json")
    with pytest.raises(DatasetError, match=r"1 .. n without gaps, but 2, 3 are absent"):
        load_split("cuhk_pedes", tmp_path, "train")
    assert [sample.identity for sample in load_split("folder", tmp_path, "train").samples] == [0, 1]


def test_an_identity_below_the_first_is_named(tmp_path):
    cuhk = DATASETS["cuhk_pedes"]
    write(cuhk, tmp_path, [entry(cuhk, "1.jpg", 0), entry(cuhk, "4.jpg", 1)])
    with pytest.raises(DatasetError, match="0 is too small"):
        load_split("cuhk_pedes", tmp_path, "train")


BROKEN = {
    "not an object": "text",
    "no 'captions'": {"split": "test", "file_path": "x.jpg", "id": 1},
    "no 'file_path'": {"split": "test", "captions": ["A man."], "id": 1},
    "'captions' is not a list": {"split": "test", "captions": "A man.", "file_path": "x.jpg", "id": 1},
    "'captions' is not a list of": {"split": "test", "captions": [], "file_path": "x.jpg", "id": 1},
    "'file_path' is not a path": {"split": "test", "captions": ["A"], "file_path": "../../x.jpg", "id": 1},
    "'id' is not an integer": {"split": "test", "captions": ["A man."], "file_path": "x.jpg", "id": "1"},
    "'split' is not a word": {"split": 3, "captions": ["A man."], "file_path": "x.jpg", "id": 1},
}


@pytest.mark.parametrize(("problem", "broken"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_entry_is_named_with_its_problem(problem, broken, tmp_path):
    good = {"split": "test", "captions": ["A man."], "file_path": "x.jpg", "id": 1}
    (tmp_path / "reid_raw.json").write_text(json.dumps([good, broken]))
    with pytest.raises(DatasetError, match=f"1 of 2 entries cannot be used, first entry 1 \\({problem}"):
        load_split("folder", tmp_path, "test")


def test_ten_broken_entries_are_named_and_no_more(tmp_path):
    (tmp_path / "reid_raw.json").write_text(json.dumps([None] * 12))
    with pytest.raises(DatasetError) as caught:
        load_split("folder", tmp_path, "test")
    assert "entry 9 (" in str(caught.value)
    assert "entry 10 (" not in str(caught.value)
    assert ", ...;" in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"a": 1}', "\udcff"])
def test_a_file_that_is_no_list_is_refused(content, tmp_path):
    (tmp_path / "reid_raw.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError, match=r"reid_raw\.json"):
        load_split("folder", tmp_path, "test")


def test_missing_images_are_counted_and_named(tmp_path):
    layout = DATASETS["folder"]
    write(layout, tmp_path, [entry(layout, f"{i}.jpg", i, "test") for i in range(30)], images=False)
    with pytest.raises(
        DatasetError, match=r"30 of 30 images are missing, first .*imgs/0\.jpg.*9\.jpg, \.\.\.;"
    ):
        load_split("folder", tmp_path, "test")


def test_an_absent_split_set_or_root_is_said(tmp_path):
    layout = DATASETS["icfg_pedes"]
    write(layout, tmp_path, [entry(layout, "0.jpg", 0)])
    assert read_split(layout, tmp_path, "val") == []
    with pytest.raises(DatasetError, match="has no val split"):
        load_split("icfg_pedes", tmp_path, "val")
    with pytest.raises(DatasetError, match="no data set called 'market'; choose one of cuhk_pedes"):
        load_split("market", tmp_path, "val")
    with pytest.raises(DatasetError, match="no split called 'query'"):
        load_split("icfg_pedes", tmp_path, "query")
    with pytest.raises(DatasetError, match=r"expected RSTPReid/data_captions.json or data_captions.json"):
        load_split("rstp_reid", tmp_path, "val")


def test_an_image_is_read_as_rgb(tmp_path):
    Image.fromarray(np.full((4, 2), 7, np.uint8)).save(tmp_path / "grey.png")
    assert read_image(tmp_path / "grey.png").tolist() == np.full((4, 2, 3), 7).tolist()


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_damaged_and_missing_images_are_named(cut, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:cut])
    with pytest.raises(DatasetError, match=r"cut\.jpg cannot be read"):
        read_image(tmp_path / "cut.jpg")
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing"):
        read_image(Path(tmp_path / "gone.jpg"))


def test_identity_batches_hold_p_people_k_times():
    identities = [0] * 5 + [1] * 2 + [2] * 4 + [3] * 9 + [4]
    order = identity_order(identities, batch_size=6, per_identity=2, seed=3)
    assert len(order) % 6 == 0
    for start in range(0, len(order), 6):
        people = [identities[index] for index in order[start : start + 6]]
        assert people[0::2] == people[1::2]
        assert len(set(people)) == 3
    assert order == identity_order(identities, 6, 2, seed=3)
    assert order != identity_order(identities, 6, 2, seed=4)


def test_a_batch_smaller_than_a_group_is_refused():
    with pytest.raises(ValueError, match="holds no group"):
        identity_order([0, 1], batch_size=2, per_identity=4, seed=0)
