"""The work of `cskt evaluate`: embedding a split, the command's output, its tables."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small_encoder import small_encoder

from model.datasets.samples import Sample
from model.embedder import Embedder
from model.errors import CheckpointError, ConfigError, DatasetError
from model.evaluate import add_evaluate, evaluate_encoder, first_images
from model.evaluation import Evaluation, RetrievalMetrics
from model.evaluation_tables import figures_table, slices_table
from model.slices import Slice, SliceReport
from model.split_vectors import embed_split

PERFECT = {"r1": 100, "r5": 100, "r10": 100, "mean_ap": 100, "mean_inp": 100}


class ColourEncoder:
    """Images by their mean colour, captions by the colour they name: right unless the image was misread."""

    COLOURS = ("red", "green", "blue")
    fingerprint, precision = "f00d", "bfloat16"

    def preprocess(self, pixels):
        return torch.from_numpy(pixels.astype(np.float32)).mean(dim=(0, 1)).reshape(3, 1, 1)

    def embed_pixels(self, pixels):
        means = pixels.reshape(len(pixels), 3).numpy()
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts):
        return np.eye(3, dtype=np.float32)[[self.COLOURS.index(text) for text in texts]]


def paint(path, colour):
    Image.fromarray(np.full((6, 4, 3), 40, np.uint8) + 200 * np.eye(3, dtype=np.uint8)[colour]).save(path)


@pytest.fixture
def colours(tmp_path):
    samples = []
    for image_id in range(9):
        path = tmp_path / f"{image_id}.png"
        paint(path, image_id % 3)
        samples += [Sample(image_id % 3, image_id, path, ColourEncoder.COLOURS[image_id % 3])] * 2
    return samples


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_every_image_and_caption_is_used_once_and_in_order(colours, batch_size, capsys):
    result = evaluate_encoder(ColourEncoder(), colours, batch_size=batch_size, workers=2)
    assert (result.images, result.captions, result.identities) == (9, 18, 3)
    assert result.text_to_image == RetrievalMetrics(**PERFECT)
    assert result.image_to_text.r1 == 100
    assert "images: 9/9" in capsys.readouterr().err


def test_vectors_stand_in_file_order(colours):
    vectors = embed_split(ColourEncoder(), colours, batch_size=4, workers=2)
    assert [sample.image_id for sample in vectors.shown] == list(range(9))
    assert vectors.images.argmax(axis=1).tolist() == vectors.image_ids == [0, 1, 2] * 3
    assert vectors.texts.argmax(axis=1).tolist() == vectors.caption_ids


@pytest.mark.parametrize("part", ["visual", "text"])
def test_vectors_that_are_no_numbers_are_refused(part, colours):
    encoder = small_encoder()
    with torch.no_grad():
        next(getattr(encoder, part).parameters()).fill_(float("nan"))
    embedder = Embedder(encoder, "small", "f00d", torch.device("cpu"))
    with pytest.raises(CheckpointError, match=r"gives vectors that are no numbers.*take another encoder"):
        evaluate_encoder(embedder, colours, workers=1)


def test_a_broken_image_is_named(colours):
    colours[8].path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(DatasetError, match=r"4\.png cannot be read"):
        evaluate_encoder(ColourEncoder(), colours, batch_size=2, workers=2)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="without samples"):
        evaluate_encoder(ColourEncoder(), [])


def test_a_limit_counts_images_whatever_their_numbers():
    samples = [Sample(0, image_id, Path("a.png"), "red") for image_id in (0, 0, 5, 5, 9)]
    assert [sample.image_id for sample in first_images(samples, 2)] == [0, 0, 5, 5]
    assert first_images(samples, None) == samples


@pytest.fixture
def opened(monkeypatch):
    """What the command opened as its encoder."""
    calls = []

    def open_embedder(name, device, precision):
        calls.append((name, device))
        return ColourEncoder()

    monkeypatch.setitem(sys.modules, "model.embedder", SimpleNamespace(open_embedder=open_embedder))
    return calls


def write_folder(root, images=9, wrong=()):
    """A data set whose images in `wrong` are captioned with another colour."""
    (root / "imgs").mkdir(parents=True)
    entries = []
    for number in range(images):
        paint(root / "imgs" / f"{number}.png", number % 3)
        named = ColourEncoder.COLOURS[(number + (number in wrong)) % 3]
        facts = {"camera": f"cam{number % 2}", "attributes": {"shirt": ColourEncoder.COLOURS[number % 3]}}
        entry = {"split": "test", "captions": [named], "file_path": f"{number}.png", "id": number % 3}
        entries.append(entry | facts)
    (root / "reid_raw.json").write_text(json.dumps(entries))
    return root


def run_command(*words):
    parser = argparse.ArgumentParser()
    add_evaluate(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", *words])
    return arguments.run(arguments)


def test_the_command_prints_json_and_limits_images(tmp_path, opened, capsys):
    write_folder(tmp_path / "a")
    run_command(
        "--encoder", "demo", "--data", f"folder:{tmp_path / 'a'}", "--limit", "5", "--device", "cpu", "--json"
    )
    printed = json.loads(capsys.readouterr().out)
    assert opened == [("demo", "cpu")]
    assert (printed["encoder"], printed["fingerprint"], printed["split"]) == ("demo", "f00d", "test")
    assert printed["precision"] == "bfloat16"
    (found,) = printed["datasets"]
    assert (found["name"], found["root"], found["rejected"]) == ("folder", str(tmp_path / "a"), [])
    assert (found["images"], found["captions"], found["identities"]) == (5, 5, 3)
    assert found["text_to_image"] == PERFECT
    assert found["r1_interval"] == found["r10_interval"] == found["mean_ap_interval"] == [100, 100]
    assert "slices" not in found


def test_several_data_sets_are_measured_each_for_itself(tmp_path, opened, capsys):
    one, two = write_folder(tmp_path / "a"), write_folder(tmp_path / "b", images=6, wrong=(0, 1, 2))
    run_command("--data", f"folder:{one}", "--data", f"folder:{two}", "--json")
    first, second = json.loads(capsys.readouterr().out)["datasets"]
    assert (first["captions"], first["text_to_image"]["r1"]) == (9, 100)
    assert (second["captions"], second["text_to_image"]["r1"]) == (6, 50)
    assert len(opened) == 1
    run_command("--data", f"folder:{one}", "--data", f"folder:{two}")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:5] for line in lines[1:3]] == [
        [f"folder:{one}", "9", "9", "3", "100.00"],
        [f"folder:{two}", "6", "6", "3", "50.00"],
    ]


def test_slices_go_into_json_and_tables(tmp_path, opened, capsys):
    root = write_folder(tmp_path / "a", images=12, wrong=(0, 2, 4))
    run_command("--data", f"folder:{root}", "--slices", "--json")
    (found,) = json.loads(capsys.readouterr().out)["datasets"]
    by_camera = {one["value"]: one for one in found["slices"] if one["attribute"] == "camera"}
    assert {value: (one["captions"], one["r1"], one["small"]) for value, one in by_camera.items()} == {
        "cam0": (6, 50, True),
        "cam1": (6, 100, True),
    }
    assert {one["attribute"] for one in found["slices"]} == {"camera", "caption length", "shirt"}
    assert found["not_sliced"] == []
    run_command("--data", f"folder:{root}", "--slices")
    printed = capsys.readouterr().out
    assert "  cam0 *" in printed
    assert "fewer than 30 captions" in printed
    assert printed.splitlines()[-1] == "demo in bfloat16"


def test_strips_are_written_only_when_asked_for(tmp_path, opened, capsys):
    root = write_folder(tmp_path / "a", wrong=(0,))
    before = set(tmp_path.rglob("*"))
    run_command("--data", f"folder:{root}")
    assert set(tmp_path.rglob("*")) == before
    out = tmp_path / "new" / "strips"
    run_command("--data", f"folder:{root}", "--plots", str(out))
    assert sorted(path.name for path in out.iterdir()) == ["bad.png", "good.png"]
    assert str(out / "bad.png") in capsys.readouterr().err
    run_command("--data", f"folder:{root}", "--data", f"folder:{root}", "--plots", str(tmp_path / "two"))
    assert sorted(str(path.relative_to(tmp_path / "two")) for path in tmp_path.rglob("two/*/*.png")) == [
        f"{folder}/{name}.png" for folder in ("1-folder", "2-folder") for name in ("bad", "good")
    ]


def test_what_is_left_out_is_told(tmp_path, opened, capsys):
    root = write_folder(tmp_path / "a")
    (root / "imgs" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (root / "imgs" / "4.png").unlink()
    run_command("--data", f"folder:{root}", "--skip-bad", "--json")
    printed = capsys.readouterr()
    (found,) = json.loads(printed.out)["datasets"]
    assert (found["images"], found["text_to_image"]["r1"]) == (7, 100)
    assert sorted(Path(one.partition(": ")[0]).name for one in found["rejected"]) == ["3.png", "4.png"]
    told = [line for line in printed.err.splitlines() if line.startswith("folder: 2 left out")]
    assert len(told) == 1


def test_a_notice_is_told_in_one_line(tmp_path, opened, monkeypatch, capsys):
    from model import datasets

    write_folder(tmp_path / "a")
    loaded = datasets.load_split("folder", tmp_path / "a", "test")
    other = datasets.LoadedSplit(loaded.samples, (), "The counts\ndiffer.")
    monkeypatch.setattr(datasets, "load_split", lambda *given, **options: other)
    run_command("--data", f"folder:{tmp_path / 'a'}", "--json")
    printed = capsys.readouterr()
    assert (
        printed.err.splitlines()[0].replace("\N{REPLACEMENT CHARACTER}", " ") == "folder: The counts differ."
    )
    assert json.loads(printed.out)["datasets"][0]["notice"] == "The counts\ndiffer."


def test_the_command_names_a_missing_data_set(tmp_path, opened):
    good = write_folder(tmp_path / "a")
    with pytest.raises(DatasetError, match="nowhere"):
        run_command("--data", f"folder:{good}", "--data", f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(DatasetError, match="no data set called 'cuhk'"):
        run_command("--data", "cuhk")
    assert opened == []


@pytest.mark.parametrize("words", [("--limit", "0"), ("--batch-size", "x")])
def test_a_count_below_one_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        run_command("--data", "folder", *words)
    assert "at least 1" in capsys.readouterr().err


def test_data_must_be_named():
    with pytest.raises(ConfigError, match="No data set is named; give --data"):
        run_command()


def evaluation(**changed):
    figures = {
        "text_to_image": RetrievalMetrics(72, 90.5, 93.5, 69.5, 60.25),
        "image_to_text": RetrievalMetrics(80, 95, 99, 75, 50),
        "r1_interval": (69.7, 74.3),
        "r10_interval": (92.1, 94.6),
        "mean_ap_interval": (67.0, 71.8),
        "images": 1500,
        "captions": 3000,
        "identities": 500,
    }
    return Evaluation(**{**figures, **changed})


def test_the_table_shows_both_directions_and_the_intervals():
    lines = figures_table([("folder:a", evaluation()), ("b", evaluation(captions=4))]).splitlines()
    forth = "72.00 (69.7-74.3) 90.50 93.50 (92.1-94.6) 69.50 (67.0-71.8) 60.25"
    assert lines[1].split() == ["folder:a", "3,000", "1,500", "500", *forth.split()]
    assert lines[2].split()[:2] == ["b", "4"]
    assert lines[5].split() == ["folder:a", "80.00", "95.00", "99.00", "75.00", "50.00"]
    assert len({len(line) for line in lines[:3]}) == len({len(line) for line in lines[4:7]}) == 1


def test_the_table_of_slices_names_what_it_leaves_out_and_cannot_be_steered():
    slices = (
        Slice("camera", "a\x1b[31m", 40, 20, 50.0, (40.0, 60.0), 90.0, 55.5, small=False),
        Slice("camera", None, 3, 1, 0.0, None, 100.0, 33.3, small=True),
    )
    lines = slices_table(SliceReport(slices, ("track", "seen_at"))).splitlines()
    assert lines[1] == "camera"
    assert lines[2].split() == [
        "a\N{REPLACEMENT CHARACTER}[31m",
        *("40", "20", "50.00", "(40.0-60.0)", "90.00", "55.50"),
    ]
    assert lines[3].split() == ["(not", "stated)", "*", "3", "1", "0.00", "100.00", "33.30"]
    assert lines[-1] == "Too many values to slice by: track, seen_at."
