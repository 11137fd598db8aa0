"""`cskt export`: what is written, and what runs of it."""

import errno
import json

import pytest
from export_toys import export

from model.checkpoint import CARD_FILE, WEIGHTS_FILE, fingerprint
from model.embedder import open_embedder
from model.errors import ConfigError
from model.export_folder import card_of
from model.inference import examples
from model.inference.proven import FORMS_FILE, read_proven
from service.cli import main


def test_the_folder_is_the_same_encoder_and_auto_runs_the_proven_form(
    tmp_path, source, data, pretended, capsys
):
    pretended(bfloat16=0.01)
    out = tmp_path / "out"
    export(out, "--encoder", source, "--data", data)
    assert fingerprint(out) == fingerprint(source)
    assert json.loads((out / CARD_FILE).read_text()) == {"made": "by a test"}
    assert (out / WEIGHTS_FILE).stat().st_size == (source / WEIGHTS_FILE).stat().st_size
    parity = read_proven(out, fingerprint(source)).forms["bfloat16"]
    assert (parity.pictures, parity.captions, parity.data) == (12, 24, "folder, test")
    assert parity.texts.median == pytest.approx(1 - 0.01**2 / 2, abs=3e-5)
    assert open_embedder(str(out), "cpu").precision == "bfloat16"
    assert open_embedder(str(source), "cpu").precision == "float32"
    said = capsys.readouterr().out
    assert "R@1" in said
    assert said.endswith("\nGood enough.\n")


def test_the_reports_figures_are_those_of_embedding_by_hand(tmp_path, source, data, pretended, capsys):
    pretended(float16=0.03)
    export(tmp_path / "out", "--encoder", source, "--data", data, "--json")
    report = json.loads(capsys.readouterr().out)
    samples = examples.load_split("folder", examples.data_place(data).root, "test").samples
    texts = [sample.caption for sample in samples]
    exact, form = (
        open_embedder(str(tmp_path / "out"), "cpu", name).embed_texts(texts)
        for name in ("float32", "float16")
    )
    assert report["parity"]["texts"]["least"] == pytest.approx(min((exact * form).sum(axis=1)), abs=2e-4)
    assert (report["precision"], report["falls_short"], report["written"]) == ("float16", None, True)


def test_a_form_is_added_to_those_that_are_there(tmp_path, source, data, pretended):
    pretended(bfloat16=0.01, float16=0.02)
    before = (source / WEIGHTS_FILE).read_bytes()
    for name in ("bfloat16", "float16"):
        export(source, "--encoder", source, "--precision", name, "--data", data)
    assert read_proven(source, fingerprint(source)).good == ("bfloat16", "float16")
    assert (source / WEIGHTS_FILE).read_bytes() == before


def test_a_forced_form_is_used_only_where_it_is_named(tmp_path, source, data, pretended):
    pretended(bfloat16=0.2)
    out = tmp_path / "out"
    export(out, "--encoder", source, "--data", data, "--force")
    assert read_proven(out, fingerprint(out)).forms["bfloat16"].forced
    assert open_embedder(str(out), "cpu").precision == "float32"
    assert open_embedder(str(out), "cpu", "bfloat16").precision == "bfloat16"


def test_force_does_not_mark_what_is_good_enough(tmp_path, source, data, pretended):
    pretended(bfloat16=0.01)
    export(tmp_path / "out", "--encoder", source, "--data", data, "--force")
    assert read_proven(tmp_path / "out", fingerprint(source)).good == ("bfloat16",)


@pytest.mark.parametrize("far", [0.01, 0.2])
def test_json_says_written_only_where_it_is(tmp_path, source, data, pretended, capsys, monkeypatch, far):
    """Printed behind the writing; what falls short, and what cannot be written, is told as well."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    pretended(bfloat16=far)
    words = ["export", str(tmp_path / "out"), "--encoder", str(source), "--data", data, "--device", "cpu"]
    assert main([*words, "--json"]) == (0 if far == 0.01 else 2)
    report = json.loads(capsys.readouterr().out)
    assert report["written"] is (far == 0.01) is (tmp_path / "out" / FORMS_FILE).exists()
    monkeypatch.setattr("model.export_folder.write_checkpoint", refused)
    words[1] = str(tmp_path / "other")
    assert main([*words, "--json", "--force"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["written"] is False
    assert report["parity"]["pictures"] == 12


def test_the_card_of_open_clips_weights_names_no_place_of_this_machine(tmp_path):
    named = {"exported_from": "openclip:ViT-B-16/w.pt"}
    assert card_of(f"openclip:ViT-B-16/{tmp_path}/w.pt") == named
    assert card_of("openclip:ViT-B-16/openai") == {"exported_from": "openclip:ViT-B-16/openai"}


def test_without_a_data_set_people_are_painted_and_thrown_away(tmp_path, source, pretended, monkeypatch):
    pretended(bfloat16=0.01)
    folders = []
    paint = examples.painted
    monkeypatch.setattr(
        examples, "painted", lambda order, workers: folders.append(order.out) or paint(order, workers)
    )
    export(tmp_path / "out", "--encoder", source, "--people", "2")
    parity = read_proven(tmp_path / "out", fingerprint(source)).forms["bfloat16"]
    assert (parity.data, parity.pictures, parity.captions) == ("synthetic people (2)", 6, 12)
    assert [folder.exists() for folder in folders] == [False]


def test_the_towers_as_onnx(tmp_path, source, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    export(tmp_path / "onnx", "--encoder", source, "--format", "onnx", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["visual_bytes"] == (tmp_path / "onnx" / "visual" / "model.onnx").stat().st_size
    assert report["text_difference"] < 1e-4
    assert json.loads((tmp_path / "onnx" / "config.json").read_text())["cskt"]["name"] == source.name
    with pytest.raises(ConfigError, match="written in float32"):
        export(tmp_path / "onnx", "--encoder", source, "--format", "onnx", "--precision", "int8")
