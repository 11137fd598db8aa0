"""`cskt export`: what is refused, and that nothing is written then."""

import json

import pytest
from export_toys import export
from small_encoder import small_encoder

from model.checkpoint import CARD_FILE, save_checkpoint
from model.errors import CheckpointError, ConfigError
from model.inference import examples, parity
from model.inference.proven import FORMS_FILE
from service.cli import main


def test_few_captions_prove_nothing(pretended, source, data, tmp_path, monkeypatch):
    monkeypatch.undo()
    pretended(bfloat16=0.0)
    with pytest.raises(CheckpointError, match="captions prove nothing, at least 300 are needed"):
        export(tmp_path / "out", "--encoder", source, "--data", data, "--precision", "bfloat16")
    assert not (tmp_path / "out").exists()


def test_people_are_not_for_a_data_set(source, data, tmp_path):
    with pytest.raises(ConfigError, match="leave one out"):
        export(tmp_path / "out", "--encoder", source, "--data", data, "--people", "3")


def test_a_form_that_falls_short_is_refused_and_nothing_is_written(tmp_path, source, data, pretended, capsys):
    pretended(bfloat16=0.2)
    words = ["export", str(tmp_path / "out"), "--encoder", str(source), "--data", data, "--device", "cpu"]
    assert main(words) == 2
    said = capsys.readouterr()
    assert "bfloat16 is not exported: the first percentile of the pictures' cosines is 0.9" in said.err
    assert "R@1" in said.out
    assert not (tmp_path / "out").exists()


def test_a_place_that_takes_nothing_is_said_before_anything_is_measured(tmp_path, source, data, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    assert main(["export", str(out), "--encoder", str(source), "--data", data, "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{out}: nothing can be written there" in said.err


def test_a_form_that_falls_short_takes_no_good_ones_place(tmp_path, source, data, pretended, capsys):
    out = tmp_path / "out"
    pretended(bfloat16=0.01)
    export(out, "--encoder", source, "--data", data)
    before = (out / FORMS_FILE).read_bytes()
    pretended(bfloat16=0.2)
    words = ["export", str(out), "--encoder", str(source), "--data", data, "--device", "cpu", "--force"]
    assert main(words) == 2
    assert "The proof stays" in capsys.readouterr().err
    assert (out / FORMS_FILE).read_bytes() == before


@pytest.mark.parametrize(("difference", "said"), [(2e-4, "by 2.0e-04"), (float("nan"), "by nan")])
def test_a_float32_form_that_is_not_the_training_form_is_refused_forced_or_not(
    tmp_path, source, data, monkeypatch, capsys, difference, said
):
    exact = parity.compare_with_training
    monkeypatch.setattr(
        parity,
        "compare_with_training",
        lambda *given: exact(*given).model_copy(update={"texts": difference}),
    )
    words = ["export", str(tmp_path / "out"), "--encoder", str(source), "--data", data, "--device", "cpu"]
    assert main([*words, "--precision", "float32", "--force", "--json"]) == 2
    told = capsys.readouterr()
    assert f"captions differ from the training form {said}, more than 1e-04" in told.err
    report = json.loads(told.out, parse_constant=pytest.fail)
    assert report["written"] is False
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("card", [b"{", b"[1]", b"\xff", b'{"made": "\\ud800"}'])
def test_a_card_that_cannot_be_kept_is_told_before_anything_is_measured(tmp_path, source, monkeypatch, card):
    monkeypatch.setattr(examples, "open_examples", lambda *given: pytest.fail("measured"))
    (source / CARD_FILE).write_bytes(card)
    with pytest.raises(CheckpointError, match=r"card\.json: cannot be read"):
        export(tmp_path / "out", "--encoder", source, "--precision", "float32")


def other_encoder(out):
    save_checkpoint(out, small_encoder(seed=1))


def other_files(out):
    out.mkdir()
    (out / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (other_encoder, "holds another encoder: name a new or empty folder"),
        (other_files, "is no checkpoint folder: name a new or empty folder"),
        (lambda out: out.write_text("a file"), "is no checkpoint folder"),
    ],
)
def test_a_folder_with_something_else_is_refused_before_anything_is_measured(
    tmp_path, source, monkeypatch, make, said
):
    monkeypatch.setattr(examples, "open_examples", lambda *given: pytest.fail("measured"))
    make(tmp_path / "out")
    with pytest.raises(CheckpointError, match=said):
        export(tmp_path / "out", "--encoder", source, "--precision", "float32")


def test_a_proof_that_cannot_be_read_is_told_before_anything_is_measured(source, monkeypatch):
    monkeypatch.setattr(examples, "open_examples", lambda *given: pytest.fail("measured"))
    (source / FORMS_FILE).write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read; remove it"):
        export(source, "--encoder", source, "--precision", "float32")


@pytest.mark.parametrize("command", [["export", "out"], ["calibrate"]])
def test_a_split_of_no_data_set_is_not_silently_ignored(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--encoder", "demo", "--split", "val"]) == 2
    assert "--split is of a data set: name it with --data" in capsys.readouterr().err
