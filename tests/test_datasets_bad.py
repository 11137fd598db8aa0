"""Bad annotations and images: named in one error, or left out and told."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.datasets import load_split
from model.datasets.images import unreadable_images
from model.datasets.samples import Sample, read_image
from model.errors import DatasetError


def good(path="x.jpg", identity=1, split="test", captions=("A man.",)):
    return {"split": split, "captions": list(captions), "file_path": path, "id": identity}


def write(root, entries):
    (root / "reid_raw.json").write_text(json.dumps(entries))


def picture(path, pixels=None, **options):
    noise = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise if pixels is None else pixels).save(path, **options)


BROKEN = {
    "not an object": "text",
    "no 'captions'": {"split": "test", "file_path": "x.jpg", "id": 1},
    "no 'file_path'": {"split": "test", "captions": ["A man."], "id": 1},
    "'captions' is not a list": good() | {"captions": "A man."},
    "'captions' is not a list of": good() | {"captions": []},
    "'file_path' is not a path": good("../../x.jpg"),
    "'file_path' is not a path inside": good("/etc/x.jpg"),
    "'id' is not an integer": good(identity="1"),
    "'id' has too many digits": good(identity=10**30),
    "'split' is not a word": good(split=3),
    "'attributes' is not an object": good() | {"attributes": ["man"]},
    "'hat' is not a word": good() | {"attributes": {"hat": ["red"]}},
    "'camera' is not a word": good() | {"camera": {}},
}


@pytest.mark.parametrize(("problem", "broken"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_entry_is_named_with_its_problem_or_left_out(problem, broken, tmp_path):
    write(tmp_path, [good(), broken])
    picture(tmp_path / "imgs" / "x.jpg")
    with pytest.raises(DatasetError, match=f"1 of 2 entries cannot be used, first entry 1 \\({problem}"):
        load_split("folder", tmp_path, "test")
    loaded = load_split("folder", tmp_path, "test", skip_bad=True)
    assert [sample.caption for sample in loaded.samples] == ["A man."]
    (rejected,) = loaded.rejected
    assert rejected.startswith(f"entry 1: {problem}")


def test_a_mark_at_the_beginning_of_the_file_is_passed_over(tmp_path):
    (tmp_path / "reid_raw.json").write_text(json.dumps([good()]), encoding="utf-8-sig")
    picture(tmp_path / "imgs" / "x.jpg")
    assert [sample.caption for sample in load_split("folder", tmp_path, "test").samples] == ["A man."]


def test_ten_broken_entries_are_named_and_no_more(tmp_path):
    write(tmp_path, [None] * 12)
    with pytest.raises(DatasetError) as caught:
        load_split("folder", tmp_path, "test")
    assert "12 of 12 entries" in str(caught.value)
    assert "entry 9 (" in str(caught.value)
    assert "entry 10 (" not in str(caught.value)
    assert ", ...; correct or remove them, or leave them out with --skip-bad." in str(caught.value)
    with pytest.raises(DatasetError, match="nothing in its test split that can be used: 12 rejected"):
        load_split("folder", tmp_path, "test", skip_bad=True)


def test_broken_entries_of_another_split_do_not_matter(tmp_path):
    write(tmp_path, [good(), good(split="train", captions=[" "]), good(split="train") | {"id": None}])
    picture(tmp_path / "imgs" / "x.jpg")
    assert len(load_split("folder", tmp_path, "test").samples) == 1
    with pytest.raises(DatasetError, match="2 of 3 entries"):
        load_split("folder", tmp_path, "train")


def test_a_blank_caption_is_dropped_and_the_others_kept(tmp_path):
    entries = [
        good("0.jpg", 5, "train", ["", "A man.", " \t"]),
        good("1.jpg", 6, "train", ["\u00a0"]),
        good("2.jpg", 7, "train", ["A girl."]),
    ]
    write(tmp_path, entries)
    for number in range(3):
        picture(tmp_path / "imgs" / f"{number}.jpg")
    with pytest.raises(
        DatasetError,
        match=r"2 of 3 entries cannot be used, first entry 0 \(caption 1 and 3 is blank\), entry 1",
    ):
        load_split("folder", tmp_path, "train")
    loaded = load_split("folder", tmp_path, "train", skip_bad=True)
    assert loaded.samples == [
        Sample(0, 0, tmp_path / "imgs" / "0.jpg", "A man."),
        Sample(1, 1, tmp_path / "imgs" / "2.jpg", "A girl."),
    ]
    assert loaded.rejected == ("entry 0: caption 1 and 3 is blank", "entry 1: caption 1 is blank")


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"a": 1}', "\udcff"])
def test_a_file_that_is_no_list_is_refused_even_when_bad_things_are_skipped(content, tmp_path):
    (tmp_path / "reid_raw.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError, match=r"reid_raw\.json"):
        load_split("folder", tmp_path, "test", skip_bad=True)


def test_missing_images_are_counted_and_named(tmp_path):
    write(tmp_path, [good(f"{number}.jpg", number) for number in range(30)])
    with pytest.raises(
        DatasetError, match=r"30 of 30 images are missing, first .*imgs/0\.jpg.*9\.jpg, \.\.\.;.*--skip-bad"
    ):
        load_split("folder", tmp_path, "test")
    with pytest.raises(DatasetError, match=r"30 rejected, first .*imgs/0\.jpg: missing"):
        load_split("folder", tmp_path, "test", skip_bad=True)


def test_people_without_images_are_left_out_and_the_others_renumbered(tmp_path):
    write(tmp_path, [good(f"{number}.jpg", number, "train", ["A.", "B."]) for number in range(4)])
    for number in (0, 2, 3):
        picture(tmp_path / "imgs" / f"{number}.jpg")
    loaded = load_split("folder", tmp_path, "train", skip_bad=True)
    assert [(sample.identity, sample.image_id, sample.path.name) for sample in loaded.samples[::2]] == [
        (0, 0, "0.jpg"),
        (1, 1, "2.jpg"),
        (2, 2, "3.jpg"),
    ]
    assert loaded.rejected == (f"{tmp_path}/imgs/1.jpg: missing",)


def test_names_that_no_file_can_have_are_missing_and_steer_no_terminal(tmp_path):
    names = ["x" * 300, "\ud800.jpg", "\x1b[2J\n.jpg"]
    write(tmp_path, [good(name, number) for number, name in enumerate(names)])
    with pytest.raises(DatasetError, match="3 of 3 images are missing") as caught:
        load_split("folder", tmp_path, "test")
    assert str(caught.value).isprintable()


def test_undecodable_images_are_found_only_when_asked_for(tmp_path, capsys):
    write(tmp_path, [good(f"{number}.jpg", number) for number in range(3)])
    picture(tmp_path / "imgs" / "0.jpg")
    (tmp_path / "imgs" / "1.jpg").write_bytes((tmp_path / "imgs" / "0.jpg").read_bytes()[:-40])
    (tmp_path / "imgs" / "2.jpg").write_text("no picture")
    assert len(load_split("folder", tmp_path, "test").samples) == 3
    with pytest.raises(DatasetError, match=r"2 of 3 images cannot be decoded, first .*1\.jpg \(.*truncated"):
        load_split("folder", tmp_path, "test", check_images=True)
    loaded = load_split("folder", tmp_path, "test", skip_bad=True, check_images=True, workers=2)
    assert [sample.path.name for sample in loaded.samples] == ["0.jpg"]
    assert [rejected.split(": ")[0][-5:] for rejected in loaded.rejected] == ["1.jpg", "2.jpg"]
    assert "checking images: 3/3" in capsys.readouterr().err


FORMATS = [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("BMP", {})]


@pytest.mark.parametrize(("form", "options"), FORMATS, ids=str)
def test_the_check_finds_exactly_what_reading_would_fail_on(form, options, tmp_path, capsys):
    """Cut at every length: the reduced decoding must notice what the full one does."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (24, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, form, **options)
    whole = buffer.getvalue()
    samples, unreadable = [], set()
    for length in [*range(0, len(whole), 3), *range(len(whole) - 30, len(whole) + 1)]:
        path = tmp_path / f"{length}.img"
        path.write_bytes(whole[:length])
        samples.append(Sample(0, length, path, ""))
        try:
            read_image(path)
        except DatasetError:
            unreadable.add(path)
    assert set(unreadable_images(samples, workers=2)) == unreadable
    assert 0 < len(unreadable) < len({sample.path for sample in samples})
    assert all(why for why in unreadable_images(samples, workers=1).values())


def test_the_check_tells_why(tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    paths = [tmp_path / "text.jpg", tmp_path / "folder.jpg", tmp_path / "gone.jpg"]
    bad = unreadable_images([Sample(0, 0, path, "") for path in paths], workers=2)
    assert bad == {
        paths[0]: "no image, or of an unknown format",
        paths[1]: "Is a directory",
        paths[2]: "No such file or directory",
    }


def test_an_image_is_read_as_rgb(tmp_path):
    picture(tmp_path / "grey.png", np.full((4, 2), 7, np.uint8))
    assert read_image(tmp_path / "grey.png").tolist() == np.full((4, 2, 3), 7).tolist()


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_damaged_and_missing_images_are_named(cut, tmp_path):
    picture(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:cut])
    with pytest.raises(DatasetError, match=r"cut\.jpg cannot be read"):
        read_image(tmp_path / "cut.jpg")
    with pytest.raises(DatasetError, match=r"gone\.jpg is missing"):
        read_image(Path(tmp_path / "gone.jpg"))
