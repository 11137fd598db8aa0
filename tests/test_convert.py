"""`cskt convert`, from a file of the authors to a folder that loads."""

import argparse

import pytest
import torch
from small_encoder import small_encoder

from model import checkpoint
from model.checkpoint import fingerprint, load_checkpoint
from model.convert import add_convert
from model.errors import CheckpointError
from model.released_weights import official_name


def convert(*words):
    parser = argparse.ArgumentParser()
    add_convert(parser.add_subparsers())
    arguments = parser.parse_args(["convert", *map(str, words)])
    arguments.run(arguments)


def write(encoder, path):
    tensors = {official_name(name): value for name, value in encoder.state_dict().items()}
    torch.save({"model": tensors, "epoch": 1}, path)
    return path


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_the_folder_loads(tmp_path, method, capsys):
    encoder = small_encoder(method)
    convert(write(encoder, tmp_path / "best.pth"), tmp_path / "out")
    loaded = load_checkpoint(tmp_path / "out")
    for name, value in encoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    said = capsys.readouterr().out
    assert "image 48x16, stride 8" in said
    assert fingerprint(tmp_path / "out") in said
    assert ("2 experts per token" in said) == (method == "dm_adapter")


def test_the_weights_are_digested_once(tmp_path, monkeypatch):
    digested, digest = [], checkpoint.weights_digest
    monkeypatch.setattr(checkpoint, "weights_digest", lambda held: digested.append(held) or digest(held))
    convert(write(small_encoder(), tmp_path / "best.pth"), tmp_path / "out")
    assert len(digested) == 1


def test_options_reach_the_network(tmp_path):
    source = write(small_encoder("dm_adapter"), tmp_path / "best.pth")
    convert(source, tmp_path / "out", "--image-size", 16, 48, "--top-k", 1, "--half")
    config = load_checkpoint(tmp_path / "out").config
    assert config.backbone.vision.image_size == (16, 48)
    assert config.adapter.top_k == 1


def test_a_plain_clip_says_which_activation_was_taken(tmp_path, capsys):
    encoder = small_encoder()
    tensors = {official_name(n).removeprefix("base_model."): v for n, v in encoder.state_dict().items()}
    torch.save(tensors, tmp_path / "clip.pt")
    convert(tmp_path / "clip.pt", tmp_path / "out", "--image-size", 48, 16)
    assert "--activation gelu" in capsys.readouterr().out
    convert(tmp_path / "clip.pt", tmp_path / "gelu", "--image-size", 48, 16, "--activation", "gelu")
    assert not load_checkpoint(tmp_path / "gelu").config.backbone.quick_gelu


def test_nothing_is_written_for_a_file_that_does_not_fit(tmp_path):
    source = write(small_encoder("cskt"), tmp_path / "best.pth")
    content = torch.load(source, weights_only=True)
    content["model"]["surprise"] = torch.zeros(1)
    torch.save(content, source)
    with pytest.raises(CheckpointError, match="surprise"):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unwritable_target_is_one_sentence(tmp_path):
    source = write(small_encoder(), tmp_path / "best.pth")
    with pytest.raises(CheckpointError, match="is no checkpoint folder: name a new or empty folder"):
        convert(source, source)


def test_another_encoder_is_not_overwritten(tmp_path):
    for seed in (1, 2):
        write(small_encoder(seed=seed), tmp_path / f"{seed}.pth")
    convert(tmp_path / "1.pth", tmp_path / "out", "--half")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for words in (("2.pth", "--half"), ("1.pth",)):
        with pytest.raises(CheckpointError, match="out holds another encoder: name a new or empty folder"):
            convert(tmp_path / words[0], tmp_path / "out", *words[1:])
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == kept
    convert(tmp_path / "1.pth", tmp_path / "out", "--half")


@pytest.mark.parametrize(
    ("value", "words", "said"),
    [
        (float("nan"), (), "visual.proj are not all finite numbers"),
        (float("inf"), ("--half",), "visual.proj are not all finite numbers"),
        (1e6, ("--half",), r"visual.proj reach 1e\+06, more than float16 holds"),
    ],
)
def test_weights_that_cannot_be_kept_are_refused(value, words, said, tmp_path):
    encoder = small_encoder()
    with torch.no_grad():
        encoder.visual.proj[0, 0] = value
    with pytest.raises(CheckpointError, match=said):
        convert(write(encoder, tmp_path / "best.pth"), tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("--top-k", "0"), ("--stride", "-1"), ("--image-size", "8")])
def test_bad_options_end_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        convert("a.pth", "b", *words)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
