"""What a run measures and reports: chosen on validation, measured on test once, and said so."""

import json
from dataclasses import asdict

import pytest
import torch
from training_toys import pairs_recipe, write_pairs

from model.checkpoint import load_checkpoint
from model.datasets import load_split
from model.training import loop
from model.training.confidence import ConfidenceRecord
from model.training.loop import train
from model.training.train import summary
from model.training.validation import SplitPart, measure


def test_what_is_reported_is_what_the_saved_encoder_reaches(whole, folder):
    part = SplitPart("test", load_split("folder", folder, "test").samples, 1)
    found = measure(part, load_checkpoint(whole / "encoder"), torch.device("cpu"))
    results = json.loads((whole / "results.json").read_text())
    assert json.loads(json.dumps(asdict(found))) == {
        key: value for key, value in results["reported"].items() if key != "split"
    }


def test_the_run_folder_tells_what_was_done(whole, folder):
    (start,) = json.loads((whole / "run.json").read_text())
    assert start["seed"] == 1
    assert start["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert {"commit", "machine", "command", "processes"} <= start.keys()
    entries = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [0, 2, 4, 6]
    assert all(0 <= entry["r1"] <= entry["r10"] <= 100 for entry in entries)
    assert json.loads((whole / "recipe.json").read_text())["data"]["root"] == str(folder)


def test_the_best_moment_on_validation_is_what_is_kept_and_test_is_measured_once(
    folder, tmp_path, monkeypatch
):
    """R@1 on validation rises to step 2 and falls behind it; the weights of step 2 must come out."""
    judged, kept = iter([10.0, 30.0, 20.0, 30.0]), {}

    def pretend(run, part):
        assert part.split == "val"
        kept[run.step] = {name: value.clone() for name, value in run.encoder.state_dict().items()}
        return {"r1": next(judged)}

    monkeypatch.setattr(loop, "_measured", pretend)
    measured = []
    monkeypatch.setattr(loop, "_figures_of", lambda run, part: measured.append(part.split) or {})
    train(pairs_recipe(folder, evaluate_every=2), tmp_path, workers=0)
    found = load_checkpoint(tmp_path / "encoder").state_dict()
    assert all(torch.equal(value.half().float(), found[name]) for name, value in kept[2].items())
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["selected_at_step"], results["selected_r1"]) == (2, 30.0)
    assert measured == ["val", "test"]
    assert "validation" in results["protocol"]


def test_the_papers_protocol_selects_on_test_and_says_so(folder, tmp_path):
    train(pairs_recipe(folder, paper_protocol=True, epochs=1), tmp_path, workers=0)
    results = json.loads((tmp_path / "results.json").read_text())
    assert "chosen on test" in results["protocol"]
    assert results["watched"]["split"] == results["reported"]["split"] == "test"


def test_without_a_validation_split_the_last_step_counts(tmp_path):
    folder = write_pairs(tmp_path / "pairs", splits=("train", "test"))
    train(pairs_recipe(folder, epochs=1), tmp_path / "run", workers=0)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "last step" in results["protocol"]
    assert results["reported"]["split"] == "test"
    assert not (tmp_path / "run" / "best.pt").exists()


def test_training_nothing_measures_the_backbone(folder, tmp_path):
    train(pairs_recipe(folder, "full", epochs=0), tmp_path, workers=0)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["step"] == 0
    assert results["selected_at_step"] == 0
    assert results["cost"]["trainable"] == 0
    assert "nothing was trained" in results["protocol"]


@pytest.mark.parametrize("evaluate_every", [1, 4, 100])
def test_confidence_is_divided_after_every_epoch_however_often_one_looks(
    evaluate_every, folder, tmp_path, monkeypatch
):
    divided = []
    monkeypatch.setattr(ConfidenceRecord, "divide", lambda self, epoch: divided.append(epoch))
    train(pairs_recipe(folder, noise_robust=0, evaluate_every=evaluate_every), tmp_path, workers=0)
    assert divided == [1, 2]


def test_the_summary_names_split_figures_and_protocol(whole):
    results = json.loads((whole / "results.json").read_text())
    lines = summary(results)
    assert lines[0].startswith(f"val: R@1 {results['watched']['text_to_image']['r1']:.1f} (95 %: ")
    assert lines[1].startswith("test: R@1 ")
    assert lines[2] == f"protocol: {results['protocol']}"
