"""What an export measures and calibrates on (model/inference/examples.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_encoder import small_encoder

from model.datasets.samples import Sample
from model.errors import DatasetError
from model.inference.examples import apart, drawn, open_examples
from model.resizing import Resize
from model.tokenizer import Tokenizer


def write_folder(root, splits):
    """Three people with two pictures in each split."""
    (root / "imgs").mkdir(parents=True)
    entries = []
    for place, split in enumerate(splits):
        for number in range(6):
            name = f"{split}{number}.png"
            colour = np.full((6, 4, 3), 40 * place + 5 * number, np.uint8)
            Image.fromarray(colour).save(root / "imgs" / name)
            person = number // 2 + (0 if split == "train" else 10 * place)
            entries.append(
                {"split": split, "captions": [f"{split} {number}"], "file_path": name, "id": person}
            )
    (root / "reid_raw.json").write_text(json.dumps(entries))
    return f"folder:{root}"


def names(samples):
    return {sample.path.name[:-5] for sample in samples}


@pytest.mark.parametrize(
    ("there", "measured", "calibration"),
    [
        (("train", "val", "test"), "test", "train"),
        (("val", "test"), "test", "val"),
        (("train", "val", "test"), "train", "val"),
        (("train", "test"), "val", None),
    ],
)
def test_another_split_is_calibrated_on(tmp_path, there, measured, calibration):
    data = write_folder(tmp_path / "data", there)
    if calibration is None:
        with pytest.raises(DatasetError, match="no val split"), open_examples(data, measured, 5, True, 1):
            pass
        return
    with open_examples(data, measured, 5, True, 1) as examples:
        assert names(examples.measured) == {measured}
        assert names(examples.calibration) == {calibration}
        assert examples.data == f"folder, {measured}"


def test_where_there_is_no_other_split_other_people_are_calibrated_on(tmp_path):
    data = write_folder(tmp_path / "data", ["test"])
    with open_examples(data, "test", 5, True, 1) as examples:
        measured, calibration = (
            {sample.identity for sample in part} for part in (examples.measured, examples.calibration)
        )
        assert len(measured) == 2
        assert len(calibration) == 1
        assert not measured & calibration
        assert examples.data == "folder, people of test not calibrated on"
    with open_examples(data, "test", 5, False, 1) as examples:
        assert len(examples.measured) == 6
        assert examples.calibration == []


def sample(person, image, caption="a"):
    return Sample(person, image, Path(f"{image}.png"), caption)


def test_nobody_is_in_both_parts_and_a_fifth_calibrates():
    samples = [sample(number % 10, number) for number in range(40)]
    measured, calibration = apart(samples)
    assert sorted(one.image_id for one in [*measured, *calibration]) == list(range(40))
    assert len({one.identity for one in calibration}) == 2
    assert not {one.identity for one in measured} & {one.identity for one in calibration}
    assert apart(samples) == (measured, calibration)


def test_one_person_cannot_be_parted():
    with pytest.raises(DatasetError, match="shows one"):
        apart([sample(1, 0), sample(1, 1)])


def test_painted_people_to_calibrate_on_are_others(tmp_path):
    with open_examples(None, "test", 3, True, 1) as examples:
        assert (len(examples.measured), len(examples.calibration)) == (18, 6)
        pictures = [
            {sample.path.read_bytes() for sample in part}
            for part in (examples.measured, examples.calibration)
        ]
        assert len(pictures[0]) == 9
        assert not pictures[0] & pictures[1]


def test_as_many_are_drawn_as_are_wanted_and_each_once(tmp_path):
    random = np.random.default_rng(0)
    samples = []
    for image in range(5):
        path = tmp_path / f"{image}.png"
        Image.fromarray(random.integers(0, 256, (50, 20, 3), dtype=np.uint8)).save(path)
        samples += [Sample(image, image, path, f"person {image} {turn}") for turn in "ab"]
    encoder = small_encoder()
    pixels, ids = drawn(encoder, samples, 4)
    assert (pixels.shape, ids.shape) == ((4, 48, 16, 3), (4, 77))
    all_pixels, all_ids = drawn(encoder, samples, 100)
    expected = torch.from_numpy(np.stack([Resize((48, 16))(Image.open(one.path)) for one in samples[::2]]))
    captions = Tokenizer().encode([one.caption for one in samples])
    assert sorted(all_pixels.flatten(1).tolist()) == sorted(expected.flatten(1).tolist())
    assert sorted(all_ids.tolist()) == sorted(captions.tolist())
    assert torch.equal(all_pixels[:4], pixels)
