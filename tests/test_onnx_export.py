"""ONNX files against the torch encoder that they were made from, and what an exported folder holds."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnxruntime import InferenceSession
from PIL import Image
from small_encoder import ADAPTERS, captions, pixels, small_config

from model.adapters.cskt import CsktConfig
from model.checkpoint import fingerprint_of, save_checkpoint
from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.errors import CheckpointError, CsktError
from model.onnx import export
from model.onnx.export import write_onnx
from model.tokenizer import Tokenizer
from model.transforms import Preprocess

LENGTHS = (77, 76, 75, 74, 73, 72, 30, 5, 2)
CASES = {
    "full": small_config(ADAPTERS["full"]),
    "cskt": small_config(ADAPTERS["cskt"]),
    "cskt, one level": small_config(CsktConfig(prompts=2, depth=1)),
    "cskt, prompts that stay": small_config(CsktConfig(prompts=2, depth=2)),
    "dm_adapter": small_config(ADAPTERS["dm_adapter"]),
    "overlapping patches": small_config(ADAPTERS["dm_adapter"], stride=4),
    "stem": small_config(ADAPTERS["cskt"], stem_widths=(16, 24)),
    "gelu": small_config(ADAPTERS["full"]),
}


def varied(config: EncoderConfig, quick_gelu: bool = True) -> PersonEncoder:
    """Two heads, and no weight left where folding would not show: gains, biases, up-projections."""
    vision, text = (
        part.model_copy(update={"heads": 2}) for part in (config.backbone.vision, config.backbone.text)
    )
    update = {"vision": vision, "text": text, "quick_gelu": quick_gelu}
    torch.manual_seed(3)
    encoder = PersonEncoder(config.model_copy(update={"backbone": config.backbone.model_copy(update=update)}))
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if name.endswith("up.weight"):
                value.normal_(std=0.1)
            elif value.dim() == 1:
                value.add_(0.2 * torch.randn_like(value))
        for value in encoder.buffers():
            if value.is_floating_point():
                value.add_(torch.rand_like(value))
    return encoder.eval()


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    encoder = varied(CASES[request.param], quick_gelu=request.param != "gelu")
    return encoder, folder, write_onnx(encoder, folder, "small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(varied(CASES["cskt"]), folder, "small")
    return folder


def seen(folder, image):
    session = InferenceSession(folder / "visual" / "model.onnx")
    return session.run(["embedding"], {"image": image.numpy()})[0]


def said(folder, ids):
    session = InferenceSession(folder / "textual" / "model.onnx")
    return session.run(["embedding"], {"text": ids.numpy().astype(np.int32)})[0]


@torch.no_grad()
def unit(features):
    return F.normalize(features, dim=-1).detach().numpy()


@pytest.mark.parametrize("count", [1, 5])
def test_pictures_are_embedded_as_by_torch(exported, count):
    encoder, folder, _ = exported
    image = pixels(count)
    np.testing.assert_allclose(seen(folder, image), unit(encoder.encode_image(image)), atol=1e-5)


def test_captions_of_every_length_are_embedded_as_by_torch(exported):
    encoder, folder, _ = exported
    ids = captions(*LENGTHS)
    np.testing.assert_allclose(said(folder, ids), unit(encoder.encode_text(ids)), atol=1e-5)


def test_a_caption_without_its_padding_gives_the_same_embedding(exported):
    encoder, folder, _ = exported
    ids = captions(*LENGTHS)
    expected = unit(encoder.encode_text(ids))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(said(folder, ids[row : row + 1, :length])[0], expected[row], atol=1e-5)


def test_padding_with_end_tokens_changes_nothing(folder):
    ids = captions(30, 5)
    other = torch.where(ids == 0, 49407, ids)
    np.testing.assert_allclose(said(folder, other), said(folder, ids), atol=1e-6)


def test_a_caption_beyond_the_context_keeps_its_end(folder):
    ids = captions(77)
    longer = torch.cat([ids[:, :76], torch.full((1, 20), 320), ids[:, 76:]], dim=1)
    np.testing.assert_allclose(said(folder, longer), said(folder, ids), atol=1e-6)


def test_the_report_says_what_was_written(exported):
    _, folder, report = exported
    assert 0 < report.image_difference < 1e-5
    assert 0 < report.text_difference < 1e-5
    assert report.visual_bytes == (folder / "visual" / "model.onnx").stat().st_size
    assert report.textual_bytes == (folder / "textual" / "model.onnx").stat().st_size


def test_the_files_are_valid_and_hold_their_weights(exported):
    _, folder, _ = exported
    for tower in ("visual", "textual"):
        onnx.checker.check_model(folder / tower / "model.onnx", full_check=True)
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "config.json",
        "example.py",
        "model.onnx",
        "preprocess_cfg.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_names_and_shapes_are_immichs(folder):
    visual, textual = (InferenceSession(folder / tower / "model.onnx") for tower in ("visual", "textual"))
    assert [(put.name, put.type, put.shape) for put in visual.get_inputs()] == [
        ("image", "tensor(float)", ["batch", 3, 48, 16])
    ]
    assert [(put.name, put.type, put.shape) for put in textual.get_inputs()] == [
        ("text", "tensor(int32)", ["batch", "length"])
    ]
    for session in (visual, textual):
        assert [(put.name, put.shape) for put in session.get_outputs()] == [("embedding", ["batch", 32])]


def test_the_configuration_tells_what_it_was_made_from(folder):
    encoder = varied(CASES["cskt"])
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["cskt"] == {
        "name": "small",
        "fingerprint": fingerprint_of(encoder),
        "method": "cskt",
        "caption_length": 73,
    }
    assert config["text_cfg"]["context_length"] == 77
    prepare = json.loads((folder / "visual" / "preprocess_cfg.json").read_text("utf-8"))
    assert (prepare["size"], prepare["resize_mode"]) == ([48, 16], "squash")


def test_the_example_gives_torchs_cosines_and_imports_nothing_of_ours(folder, tmp_path):
    encoder = varied(CASES["cskt"])
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "person.png")
    sentences = ["A man in a red coat.", "Two people, a dog & 3 bags", "Ein Mädchen mit Hut"]
    command = [sys.executable, "-I", "-W", "error", str(folder / "example.py"), str(tmp_path / "person.png")]
    answer = subprocess.run([*command, *sentences], capture_output=True, text=True, check=True, cwd=tmp_path)
    image = Preprocess((48, 16), encoder.config.mean, encoder.config.std)(noise)[None]
    cosines = unit(encoder.encode_text(Tokenizer().encode(sentences))) @ unit(encoder.encode_image(image))[0]
    lines = [line.split("  ", 1) for line in answer.stdout.splitlines()]
    assert [line[1] for line in lines] == sentences
    np.testing.assert_allclose([float(line[0]) for line in lines], cosines, atol=1e-4)
    lines_of_code = [line for line in export.EXAMPLE.read_text("utf-8").split('"""')[2].splitlines() if line]
    assert len(lines_of_code) <= 25


def test_files_that_differ_from_torch_are_refused_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", 1e-9)
    with pytest.raises(CheckpointError, match=r"small: the ONNX files differ from torch by"):
        write_onnx(varied(CASES["full"]), tmp_path / "out", "small")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    encoder = varied(CASES["full"])
    with torch.no_grad():
        encoder.visual.proj[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="check that the weights are finite"):
        write_onnx(encoder, tmp_path / "out", "small")


def test_a_checkpoint_is_not_overwritten(tmp_path):
    encoder = varied(CASES["full"])
    save_checkpoint(tmp_path, encoder)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(CheckpointError, match="name another"):
        write_onnx(encoder, tmp_path, "small")
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_tower_too_large_for_one_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(CheckpointError, match="does not fit one ONNX file"):
        write_onnx(varied(CASES["full"]), tmp_path, "small")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        write_onnx(varied(CASES["full"]), tmp_path / "file", "small")


@pytest.mark.parametrize("package", export.PACKAGES)
def test_a_missing_package_is_named_with_its_remedy(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CsktError, match=rf"needs {package}: install cskt with its extra onnx"):
        write_onnx(varied(CASES["full"]), tmp_path, "small")


def test_an_encoder_in_training_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="evaluation mode"):
        write_onnx(varied(CASES["full"]).train(), tmp_path, "small")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text('{"mine": true}')
    with pytest.raises(CheckpointError, match="holds something else"):
        write_onnx(varied(CASES["full"]), tmp_path, "small")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == '{"mine": true}'
