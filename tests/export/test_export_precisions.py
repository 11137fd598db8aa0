"""`cskt export`: which precisions there are, and what real ones reach."""

import json

import numpy as np
import pytest
import torch
from export_toys import CPU, export
from small_encoder import ADAPTERS, small_config, small_encoder

from model.checkpoint import CARD_FILE, WEIGHTS_FILE, fingerprint, fingerprint_of, save_checkpoint
from model.embedder import open_embedder
from model.encoder import PersonEncoder
from model.errors import ConfigError
from model.export import choose
from model.export_folder import write_checkpoint
from model.inference import precision as precision_module
from model.inference.precision import precisions_of
from model.inference.proven import FORMS_FILE, INT8_FILE, read_proven


def test_whole_numbers_do_not_keep_weights_in_float32(tmp_path):
    """5001 batches are no number of float16, but are not stored as one either."""
    encoder = PersonEncoder(small_config(ADAPTERS["full"], stem_widths=(16, 24))).eval()
    for value in encoder.state_dict().values():
        value.copy_(value.half() if value.is_floating_point() else torch.tensor(5001))
    save_checkpoint(tmp_path / "half", encoder, half=True)
    write_checkpoint(tmp_path / "out", encoder, None)
    assert (tmp_path / "out" / WEIGHTS_FILE).read_bytes() == (tmp_path / "half" / WEIGHTS_FILE).read_bytes()
    assert fingerprint(tmp_path / "out") == fingerprint_of(encoder)


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
