"""Data sets by name: the parsing rules of every reader, what is told of pictures, broken annotations."""

import json
from pathlib import Path

import pytest

from model.datasets import DATASETS, DataPlace, available_splits, data_place, load_split
from model.datasets.identity_sampler import identity_order
from model.datasets.layout import Layout
from model.datasets.samples import Sample
from model.errors import DatasetError

LAYOUTS = {name: layout for name, layout in DATASETS.items() if isinstance(layout, Layout)}


def entry(layout, path, identity, split="train", captions=("A man.",), **further):
    return {"split": split, "captions": list(captions), layout.path_key: path, "id": identity, **further}


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


def write_set(name, folder, rows):
    """A data set of any form: rows of (split, identity, image, caption). Returns its root."""
    if name in LAYOUTS:
        entries = [entry(LAYOUTS[name], *row[2:0:-1], row[0], [row[3]]) for row in rows]
        write(LAYOUTS[name], folder, entries, images=False)
        return folder
    file = folder / "pairs.jsonl"
    keys = ("split", "identity", "image", "caption")
    file.write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows))
    return file


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_of_the_registry_keeps_the_contract(name, tmp_path):
    first = DATASETS[name].first_identity
    rows = [
        ("train", first + 1, "a/2.jpg", "Zwei."),
        ("test", 900, "a/9.jpg", "A man."),
        ("train", first, "a/1.jpg", "Eins."),
        ("train", first + 1, "a/3.jpg", "Drei."),
    ]
    root = write_set(name, tmp_path, rows)
    assert DATASETS[name].title
    assert available_splits(name, root) == ("train", "test")
    with pytest.raises(DatasetError, match=r"1 of 1 images are missing, first .*9\.jpg; unpack .*--skip-bad"):
        load_split(name, root, "test")
    for row in rows:
        image = next(tmp_path.rglob("*.json*")).parent / ("imgs" if name in LAYOUTS else "") / row[2]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    loaded = load_split(name, root, "train")
    assert loaded.rejected == ()
    assert [sample.caption for sample in loaded.samples] == ["Zwei.", "Eins.", "Drei."]
    assert [sample.identity for sample in loaded.samples] == [1, 0, 1]
    assert [sample.image_id for sample in loaded.samples] == [0, 1, 2]
    assert all(sample.path.is_file() for sample in loaded.samples)
    assert len(load_split(name, root, "test").samples) == 1
    with pytest.raises(DatasetError, match="has no val split; choose train or test"):
        load_split(name, root, "val")


@pytest.mark.parametrize("name", LAYOUTS)
def test_samples_come_in_file_order_one_per_caption(name, tmp_path):
    layout = LAYOUTS[name]
    first = layout.first_identity
    entries = [
        entry(layout, "2.jpg", first + 1, captions=["Zwei.", "Deux."]),
        entry(layout, "9.jpg", 900, split="test"),
        entry(layout, "1.jpg", first),
        entry(layout, "7.jpg", 700, split="validation"),
    ]
    folder = write(layout, tmp_path, entries).parent / "imgs"
    assert load_split(name, tmp_path, "train").samples == [
        Sample(1, 0, folder / "2.jpg", "Zwei."),
        Sample(1, 0, folder / "2.jpg", "Deux."),
        Sample(0, 1, folder / "1.jpg", "A man."),
    ]
    assert load_split(name, tmp_path, "test").samples == [Sample(900, 0, folder / "9.jpg", "A man.")]
    assert load_split(name, tmp_path, "val").samples == [Sample(700, 0, folder / "7.jpg", "A man.")]


@pytest.mark.parametrize(("name", "file"), [(name, file) for name in LAYOUTS for file in LAYOUTS[name].files])
def test_every_spelling_of_the_annotation_file_is_found(name, file, tmp_path):
    layout = LAYOUTS[name]
    write(layout, tmp_path, [entry(layout, "x.jpg", 5, split="test")], name=file)
    (sample,) = load_split(name, tmp_path, "test").samples
    assert sample.path == (tmp_path / file).parent / "imgs" / "x.jpg"


@pytest.mark.parametrize(
    ("name", "path", "camera", "attributes"),
    [
        ("cuhk_pedes", "CUHK01/0363004.png", None, {"source": "CUHK01"}),
        ("cuhk_pedes", "x.png", None, {}),
        ("icfg_pedes", "test/0627/0627_010_05_0303afternoon_1591_0.jpg", "05", {}),
        ("icfg_pedes", "test/0627/0627.jpg", None, {}),
        ("rstp_reid", "0000_c14_0031.jpg", "c14", {}),
        ("rstp_reid", "0000_14_0031.jpg", None, {}),
    ],
)
def test_the_published_sets_tell_camera_or_source_by_path(name, path, camera, attributes, tmp_path):
    write(LAYOUTS[name], tmp_path, [entry(LAYOUTS[name], path, 3, "test")])
    (sample,) = load_split(name, tmp_path, "test").samples
    assert (sample.camera, sample.attributes) == (camera, attributes)


def test_a_folder_tells_camera_and_attributes_by_its_entries(tmp_path):
    folder = LAYOUTS["folder"]
    told = {"camera": " hall ", "attributes": {"sex": "man", "age": 41, "bag": None, "hat": ""}}
    write(folder, tmp_path, [entry(folder, "a.jpg", 3, "test", **told), entry(folder, "b.jpg", 4, "test")])
    first, second = load_split("folder", tmp_path, "test").samples
    assert (first.camera, first.attributes) == ("hall", {"sex": "man", "age": "41"})
    assert (second.camera, second.attributes) == (None, {})


PUBLISHED = {
    "cuhk_pedes": ({"train", "val", "test"}, 13_003, 40_206, 80_440),
    "icfg_pedes": ({"train", "test"}, 4_102, 54_522, 54_522),
    "rstp_reid": ({"train", "val", "test"}, 4_101, 20_505, 41_010),
    "folder": (set(), 0, 0, 0),
    "captions": (set(), 0, 0, 0),
}


@pytest.mark.parametrize("name", DATASETS)
def test_the_published_counts_add_up(name):
    splits, *totals = PUBLISHED[name]
    published = DATASETS[name].published
    assert set(published) == splits
    counts = [(split.identities, split.images, split.captions) for split in published.values()]
    assert [sum(column) for column in zip(*counts, strict=True)] == [total for total in totals if total]


def test_counts_that_differ_from_the_published_are_told_and_no_error(tmp_path):
    layout = LAYOUTS["rstp_reid"]
    people = [
        entry(layout, f"{person}_{view}.jpg", person, "test", ["A man.", "A tall man."])
        for person in range(200)
        for view in range(5)
    ]
    write(layout, tmp_path, people)
    assert load_split("rstp_reid", tmp_path, "test").notice == ""
    write(layout, tmp_path, people[:-1])
    assert load_split("rstp_reid", tmp_path, "test").notice == (
        "RSTPReid has 200 people, 999 images and 1,998 captions in its test split here; "
        "published are 200, 1,000 and 2,000."
    )
    cuhk = LAYOUTS["cuhk_pedes"]
    write(cuhk, tmp_path, [entry(cuhk, "1.jpg", 1)])
    assert "published are 11,003, 34,054 and 68,126" in load_split("cuhk_pedes", tmp_path, "train").notice


def test_training_identities_must_be_gapless_except_in_a_folder(tmp_path):
    cuhk = LAYOUTS["cuhk_pedes"]
    write(cuhk, tmp_path, [entry(cuhk, "1.jpg", 1), entry(cuhk, "4.jpg", 4)], name="reid_raw.json")
    with pytest.raises(DatasetError, match=r"1 .. n without gaps, but 2, 3 are absent; .* --skip-bad"):
        load_split("cuhk_pedes", tmp_path, "train")
    loaded = load_split("cuhk_pedes", tmp_path, "train", skip_bad=True)
    assert [sample.identity for sample in loaded.samples] == [0, 1]
    assert loaded.rejected == ()
    assert [sample.identity for sample in load_split("folder", tmp_path, "train").samples] == [0, 1]


def test_an_identity_below_the_first_is_named(tmp_path):
    cuhk = LAYOUTS["cuhk_pedes"]
    write(cuhk, tmp_path, [entry(cuhk, "1.jpg", 0), entry(cuhk, "4.jpg", 1)])
    with pytest.raises(DatasetError, match="0 is too small"):
        load_split("cuhk_pedes", tmp_path, "train")


def test_a_gap_of_any_size_is_told_with_ten_numbers(tmp_path):
    icfg = LAYOUTS["icfg_pedes"]
    write(icfg, tmp_path, [entry(icfg, "0.jpg", 0), entry(icfg, "1.jpg", 10**15)])
    with pytest.raises(DatasetError, match=r"but 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, \.\.\. are absent"):
        load_split("icfg_pedes", tmp_path, "train")


def test_what_names_a_data_set_is_parsed(tmp_path):
    assert data_place("cuhk_pedes") == DataPlace("cuhk_pedes", Path("data"))
    assert data_place("cuhk_pedes:/data") == DataPlace("cuhk_pedes", Path("/data"))
    assert data_place("captions:C:pairs.csv") == DataPlace("captions", Path("C:pairs.csv"))
    assert data_place("folder:~/OUT") == DataPlace("folder", Path.home() / "OUT")
    with pytest.raises(DatasetError, match="no data set called 'market'; choose one of cuhk_pedes"):
        data_place("market:/data")
    with pytest.raises(DatasetError, match="write folder:PATH or only folder"):
        data_place("folder:")
    with pytest.raises(DatasetError, match="write the whole path"):
        data_place("folder:~nobody-of-that-name/x")


def test_an_absent_split_set_or_root_is_said(tmp_path):
    layout = LAYOUTS["icfg_pedes"]
    write(layout, tmp_path, [entry(layout, "0.jpg", 0)])
    with pytest.raises(DatasetError, match="has no val split; choose train"):
        load_split("icfg_pedes", tmp_path, "val")
    with pytest.raises(DatasetError, match="no data set called 'market'; choose one of cuhk_pedes"):
        load_split("market", tmp_path, "val")
    with pytest.raises(DatasetError, match="no data set called 'market'"):
        available_splits("market", tmp_path)
    with pytest.raises(DatasetError, match="no split called 'query'"):
        load_split("icfg_pedes", tmp_path, "query")
    with pytest.raises(DatasetError, match=r"expected RSTPReid/data_captions.json or data_captions.json"):
        load_split("rstp_reid", tmp_path, "val")


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
