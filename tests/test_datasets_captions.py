"""One's own pairs: CSV and JSON Lines files, their splits, and what makes a row or file unusable."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.datasets import available_splits, load_split
from model.datasets.captions import CAPTIONS, split_of_identity
from model.datasets.samples import Sample
from model.errors import DatasetError

ROWS = [
    {"image": "a/1.jpg", "caption": "A man, tall.", "identity": "p7", "split": "train", "camera": "hall"},
    {"image": "b.jpg", "caption": 'A "girl".', "identity": "07", "split": "train", "hat": "red"},
    {"image": "./a/1.jpg", "caption": "Ein Mann\nin Grün.", "identity": "p7", "split": "train", "camera": ""},
    {"image": "c.jpg", "caption": "A boy.", "identity": "p9", "split": "test", "camera": "3", "hat": ""},
]
COLUMNS = ("image", "caption", "identity", "split", "camera", "hat")


def write_csv(file, rows, columns=COLUMNS, separator=",", encoding="utf-8"):
    with file.open("w", newline="", encoding=encoding) as text:
        writer = csv.DictWriter(text, columns, restval="", delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_jsonl(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_images(folder, names=("a/1.jpg", "b.jpg", "c.jpg")):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def written(folder, form):
    write_images(folder)
    if form == "jsonl":
        return write_jsonl(folder / "pairs.jsonl", ROWS)
    separator, encoding = {"tab": ("\t", "utf-8"), "bom": (";", "utf-8-sig")}.get(form, (",", "utf-8"))
    return write_csv(folder / "pairs.CSV", ROWS, separator=separator, encoding=encoding)


@pytest.mark.parametrize("form", ["comma", "tab", "bom", "jsonl"])
def test_rows_become_samples(form, tmp_path):
    file = written(tmp_path, form)
    assert load_split("captions", file, "train").samples == [
        Sample(1, 0, tmp_path / "a/1.jpg", "A man, tall.", "hall"),
        Sample(0, 1, tmp_path / "b.jpg", 'A "girl".', None, {"hat": "red"}),
        Sample(1, 0, tmp_path / "a/1.jpg", "Ein Mann\nin Grün."),
    ]
    (test,) = load_split("captions", file, "test").samples
    assert (test.path, test.caption, test.camera, test.attributes) == (
        tmp_path / "c.jpg",
        "A boy.",
        "3",
        {},
    )
    assert available_splits("captions", file) == ("train", "test")


def test_values_of_json_become_words(tmp_path):
    told = {
        "image": "b.jpg",
        "caption": "A.",
        "split": "test",
        "camera": 3,
        "age": 4.5,
        "bag": True,
        "hat": None,
    }
    write_images(tmp_path)
    file = write_jsonl(tmp_path / "pairs.jsonl", [told])
    (sample,) = load_split("captions", file, "test").samples
    assert (sample.camera, sample.attributes) == ("3", {"age": "4.5", "bag": "true"})


def test_an_image_without_identity_is_a_person_of_its_own(tmp_path):
    rows = [
        {"image": "a.jpg", "caption": "A."},
        {"image": "b.jpg", "caption": "B.", "identity": ""},
        {"image": "./a.jpg", "caption": "C.", "identity": None},
    ]
    pairs = CAPTIONS.annotations(write_jsonl(tmp_path / "pairs.jsonl", rows)).pairs
    assert [pair.identity for pair in pairs] == [0, 1, 0]
    assert [pair.image for pair in pairs] == [0, 1, 0]


def test_the_split_of_an_identity_is_the_same_on_every_machine():
    """Written down once, with sha256sum: another outcome would move people from training into the test."""
    expected = {"1": "train", "p7": "train", "Grün": "train", "21": "val", "Zoë": "val"}
    expected |= {"6": "test", "imgs/17.jpg": "test"}
    assert {person: split_of_identity(person) for person in expected} == expected


def test_the_hashed_splits_are_about_80_10_10():
    drawn = [split_of_identity(f"person {number}") for number in range(10_000)]
    for split, share in (("train", 8_000), ("val", 1_000), ("test", 1_000)):
        assert abs(drawn.count(split) - share) < 4 * (share * (1 - share / 10_000)) ** 0.5


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(people=st.lists(words, min_size=1, max_size=12, unique=True), data=st.data(), as_csv=st.booleans())
def test_the_split_of_an_identity_depends_on_nothing_else(people, data, as_csv, tmp_path_factory):
    rows = [
        {"image": f"{number}.jpg", "caption": "A.", "identity": who, "hat": data.draw(words)}
        for number, who in enumerate(people)
    ]
    chosen = data.draw(st.permutations(rows))[: data.draw(st.integers(1, len(rows)))]
    folder = tmp_path_factory.mktemp("pairs")
    file = folder / ("pairs.csv" if as_csv else "pairs.jsonl")
    if as_csv:
        write_csv(file, chosen, ("hat", "identity", "caption", "image"))
    else:
        write_jsonl(file, chosen)
    found = {pair.path.name: pair.split for pair in CAPTIONS.annotations(file).pairs}
    assert found == {row["image"]: split_of_identity(row["identity"].strip()) for row in chosen}


def test_people_in_several_splits_are_told(tmp_path):
    rows = [
        {"image": "a.jpg", "caption": "A.", "identity": 1, "split": "train"},
        {"image": "b.jpg", "caption": "A.", "identity": 1, "split": "test"},
        {"image": "c.jpg", "caption": "A.", "identity": 2, "split": "test"},
    ]
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    file = write_jsonl(tmp_path / "pairs.jsonl", rows)
    notice = load_split("captions", file, "test").notice
    assert notice == "1 of 2 people stand in more than one split, first 1."
    file = write_jsonl(tmp_path / "pairs.jsonl", rows[1:])
    assert load_split("captions", file, "test").notice == ""


GOOD = {"image": "b.jpg", "caption": "A man.", "split": "test"}
BAD_ROWS = {
    "'image' is absent": {"caption": "A man."},
    "'caption' is absent": {"image": "b.jpg"},
    "'image' is blank": GOOD | {"image": " "},
    "'caption' is blank": GOOD | {"caption": "\t "},
    "'caption' is not text": GOOD | {"caption": ["A man."]},
    "'image' is not a path below": GOOD | {"image": "/etc/b.jpg"},
    "'image' is not a path below the file": GOOD | {"image": "x/../../b.jpg"},
    "'split' is none of train, val, test": GOOD | {"split": "dev"},
    "'split' is none of train, val, ": GOOD | {"split": None},
    "'split' is none of train,": GOOD | {"split": 3},
    "'identity' is not a word": GOOD | {"identity": {}},
    "'identity' is p1, but another row of this image says b.jpg": GOOD | {"identity": "p1"},
    "'hat' is not a word": GOOD | {"hat": ["red"]},
    "no JSON object": ["b.jpg", "A man."],
    "no JSON": float("nan"),
}


@pytest.mark.parametrize(("problem", "row"), BAD_ROWS.items(), ids=range(len(BAD_ROWS)))
def test_a_row_that_cannot_be_used_is_named_or_left_out(problem, row, tmp_path):
    write_images(tmp_path)
    file = tmp_path / "pairs.jsonl"
    file.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps(row)}\n")
    with pytest.raises(DatasetError, match=f"1 of 2 entries cannot be used, first line 3 \\({problem}"):
        load_split("captions", file, "test")
    loaded = load_split("captions", file, "test", skip_bad=True)
    assert len(loaded.samples) == 1
    assert loaded.rejected[0].startswith(f"line 3: {problem}")


@pytest.mark.parametrize("cells", ["b.jpg", "b.jpg,A man,test,too many"])
def test_ragged_rows_are_named_or_left_out(cells, tmp_path):
    write_images(tmp_path)
    file = tmp_path / "pairs.csv"
    file.write_text(f"image,caption,split\n{cells}\n\nb.jpg,A man.,test\n")
    with pytest.raises(DatasetError, match=r"1 of 2 entries .* first line 2 \(\d cells, but 3 columns\)"):
        load_split("captions", file, "test")
    loaded = load_split("captions", file, "test", skip_bad=True)
    assert [sample.caption for sample in loaded.samples] == ["A man."]


BAD_FILES = {
    "has the header image, text; .* write at least image and caption": b"image,text\n",
    r"has the header \(none\)": b"",
    "name each column once": b"image,caption,hat,hat\nb.jpg,A man.,red,blue\n",
    "has the header image, caption, ;": b"image,caption,\nb.jpg,A man.,\n",
    "is not UTF-8 text": "image,caption\nb.jpg,Ein Mann in Grün.\n".encode("latin-1"),
    "is no proper CSV": b'image,caption\nb.jpg,"A man\n',
    "has no test split": b"image,caption,split\n",
}


@pytest.mark.parametrize(("problem", "content"), BAD_FILES.items(), ids=range(len(BAD_FILES)))
def test_a_file_that_cannot_be_read_is_refused(problem, content, tmp_path):
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=problem):
        load_split("captions", tmp_path / "pairs.csv", "test", skip_bad=True)


@pytest.mark.parametrize("name", ["gone.csv", "pairs.txt", "."])
def test_only_existing_files_of_captions_are_taken(name, tmp_path):
    (tmp_path / "pairs.txt").write_text("image,caption\n")
    with pytest.raises(
        DatasetError, match=r"name an existing \.csv or \.jsonl file, as in captions:pairs.csv"
    ):
        load_split("captions", Path(tmp_path / name), "test")
