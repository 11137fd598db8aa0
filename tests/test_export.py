"""`cskt export`: what is written, what is refused, and that nothing is written then."""

import errno
import json

import numpy as np
import pytest
import torch
from small_encoder import ADAPTERS, small_config, small_encoder

from model import embedder as embedder_module
from model.checkpoint import CARD_FILE, WEIGHTS_FILE, fingerprint, fingerprint_of, save_checkpoint
from model.embedder import open_embedder
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError
from model.export import choose
from model.export_folder import card_of, write_checkpoint
from model.inference import examples, parity
from model.inference import precision as precision_module
from model.inference.form import build_form
from model.inference.precision import precisions_of
from model.inference.proven import FORMS_FILE, INT8_FILE, read_proven
from model.people.write import PeopleOrder, write_people
from service.cli import build_parser, main

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six painted people with two small pictures each, all of them test."""
    folder = tmp_path_factory.mktemp("people") / "data"
    write_people(PeopleOrder(folder, 6, 2, 11, split="test", height=96, width=48), workers=1)
    return f"folder:{folder}"


@pytest.fixture(autouse=True)
def few_captions_are_enough(monkeypatch):
    monkeypatch.setattr(parity, "LEAST_CAPTIONS", 1)


@pytest.fixture
def source(tmp_path):
    save_checkpoint(tmp_path / "run", small_encoder().eval(), card={"made": "by a test"}, half=True)
    return tmp_path / "run"


class Noisy:
    """A form whose features are off by `far` of their length, as a coarse precision would make them."""

    def __init__(self, exact, far):
        self.exact, self.far = exact, far

    def encode_image(self, pixels):
        return self._off(self.exact.encode_image(pixels))

    def encode_text(self, ids):
        return self._off(self.exact.encode_text(ids))

    def _off(self, features):
        noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
        return features + self.far * noise * features.norm(dim=1, keepdim=True) / features.shape[1] ** 0.5


@pytest.fixture
def pretended(monkeypatch):
    """Any machine has bfloat16 and float16; their forms are off by this much."""

    def off(**far):
        def build(encoder, precision, device, scales=None):
            exact = build_form(encoder, "float32", device)
            return Noisy(exact, far[precision]) if precision in far else exact

        monkeypatch.setattr(embedder_module, "build_form", build)
        monkeypatch.setattr(precision_module, "precisions_of", lambda device: (*far, "float32"))

    return off


def test_few_captions_prove_nothing(pretended, source, data, tmp_path, monkeypatch):
    monkeypatch.undo()
    pretended(bfloat16=0.0)
    with pytest.raises(CheckpointError, match="captions prove nothing, at least 300 are needed"):
        export(tmp_path / "out", "--encoder", source, "--data", data, "--precision", "bfloat16")
    assert not (tmp_path / "out").exists()


def test_people_are_not_for_a_data_set(source, data, tmp_path):
    with pytest.raises(ConfigError, match="leave one out"):
        export(tmp_path / "out", "--encoder", source, "--data", data, "--people", "3")


def export(*words):
    arguments = build_parser().parse_args(["export", *map(str, words), "--device", "cpu", "--workers", "1"])
    return arguments.run(arguments)


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


def test_a_form_that_falls_short_is_refused_and_nothing_is_written(tmp_path, source, data, pretended, capsys):
    pretended(bfloat16=0.2)
    words = ["export", str(tmp_path / "out"), "--encoder", str(source), "--data", data, "--device", "cpu"]
    assert main(words) == 2
    said = capsys.readouterr()
    assert "bfloat16 is not exported: the first percentile of the pictures' cosines is 0.9" in said.err
    assert "R@1" in said.out
    assert not (tmp_path / "out").exists()


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


def test_whole_numbers_do_not_keep_weights_in_float32(tmp_path):
    """5001 batches are no number of float16, but are not stored as one either."""
    encoder = PersonEncoder(small_config(ADAPTERS["full"], stem_widths=(16, 24))).eval()
    for value in encoder.state_dict().values():
        value.copy_(value.half() if value.is_floating_point() else torch.tensor(5001))
    save_checkpoint(tmp_path / "half", encoder, half=True)
    write_checkpoint(tmp_path / "out", encoder, None)
    assert (tmp_path / "out" / WEIGHTS_FILE).read_bytes() == (tmp_path / "half" / WEIGHTS_FILE).read_bytes()
    assert fingerprint(tmp_path / "out") == fingerprint_of(encoder)


@pytest.mark.parametrize("card", [b"{", b"[1]", b"\xff", b'{"made": "\\ud800"}'])
def test_a_card_that_cannot_be_kept_is_told_before_anything_is_measured(tmp_path, source, monkeypatch, card):
    monkeypatch.setattr(examples, "open_examples", lambda *given: pytest.fail("measured"))
    (source / CARD_FILE).write_bytes(card)
    with pytest.raises(CheckpointError, match=r"card\.json: cannot be read"):
        export(tmp_path / "out", "--encoder", source, "--precision", "float32")


def test_the_card_of_open_clips_weights_names_no_place_of_this_machine(tmp_path):
    named = {"exported_from": "openclip:ViT-B-16/w.pt"}
    assert card_of(f"openclip:ViT-B-16/{tmp_path}/w.pt") == named
    assert card_of("openclip:ViT-B-16/openai") == {"exported_from": "openclip:ViT-B-16/openai"}


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


def test_float32_needs_no_proof_and_is_held_against_the_training_form(tmp_path, source, data, capsys):
    (tmp_path / "out").mkdir()
    export(tmp_path / "out", "--encoder", source, "--precision", "float32", "--data", data, "--json")
    exactness = json.loads(capsys.readouterr().out)["exactness"]
    assert 0 < exactness["images"] < 1e-5
    assert 0 < exactness["texts"] < 1e-5
    assert (exactness["pictures"], exactness["captions"]) == (12, 24)
    assert fingerprint(tmp_path / "out") == fingerprint(source)
    assert not (tmp_path / "out" / FORMS_FILE).exists()


def test_weights_that_need_float32_are_kept_in_it(tmp_path, data):
    save_checkpoint(tmp_path / "run", small_encoder())
    export(tmp_path / "out", "--encoder", tmp_path / "run", "--precision", "float32", "--data", data)
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "run")
    assert not (tmp_path / "out" / CARD_FILE).exists()


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


@pytest.mark.skipif("int8" not in precisions_of(CPU), reason="this processor does not multiply bytes")
def test_int8_is_calibrated_measured_and_run(tmp_path, source, data):
    out = tmp_path / "out"
    export(out, "--encoder", source, "--precision", "int8", "--data", data, "--force")
    proven = read_proven(out, fingerprint(source))
    assert proven.forms["int8"].data == "folder, people of test not calibrated on"
    assert proven.forms["int8"].pictures == 8  # of six people, two were calibrated on
    assert proven.scales
    assert (out / INT8_FILE).stat().st_size < 100_000
    exact, form = (open_embedder(str(out), "cpu", name) for name in ("float32", "int8"))
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 48, 16, 3), dtype=np.uint8))
    cosines = (exact.embed_images(pictures) * form.embed_images(pictures)).sum(axis=1)
    assert 0.98 < cosines.min() < 1 - 1e-6


@pytest.mark.skipif("bfloat16" not in precisions_of(CPU), reason="this processor has no quick bfloat16")
@pytest.mark.parametrize("method", ["full", "cskt"])  # random experts are too unlike each other
def test_bfloat16_is_proven(tmp_path, data, method):
    save_checkpoint(tmp_path / "run", small_encoder(method))
    export(tmp_path / "run", "--encoder", tmp_path / "run", "--precision", "bfloat16", "--data", data)
    parity = read_proven(tmp_path / "run", fingerprint(tmp_path / "run")).forms["bfloat16"]
    assert 0.999 < parity.texts.p1 < 1 - 1e-7


@pytest.mark.parametrize("wanted", ["int8", "bfloat16", "float16"])
def test_a_precision_that_is_not_there_is_one_sentence(monkeypatch, wanted):
    monkeypatch.setattr(precision_module, "precisions_of", lambda device: ("float32",))
    with pytest.raises(ConfigError, match=f"does not compute in {wanted}.*take float32, or export on"):
        choose(wanted, "cpu")


def test_the_quickest_precision_is_the_default(monkeypatch):
    monkeypatch.setattr(precision_module, "precisions_of", lambda device: ("int8", "bfloat16", "float32"))
    assert choose(None, "cpu") == ("int8", CPU)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose("int8", "auto") == ("int8", CPU)


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


@pytest.mark.parametrize("command", [["export", "out"], ["calibrate"]])
def test_a_split_of_no_data_set_is_not_silently_ignored(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--encoder", "demo", "--split", "val"]) == 2
    assert "--split is of a data set: name it with --data" in capsys.readouterr().err
