"""Checkpoint folders: what comes back, and what is refused with one clear sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_encoder import ADAPTERS, captions, pixels, small_encoder

from model import checkpoint
from model.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    assemble,
    fingerprint,
    fingerprint_of,
    load_checkpoint,
    save_checkpoint,
)
from model.errors import CheckpointError


@pytest.mark.parametrize("method", ADAPTERS)
def test_what_was_saved_comes_back(tmp_path, method):
    encoder = small_encoder(method)
    save_checkpoint(tmp_path / "deep" / "run", encoder, card={"trained on": "häuser"})
    again = load_checkpoint(tmp_path / "deep" / "run")
    assert again.config == encoder.config
    assert not again.training
    assert [n for n, _ in again.trainable_parameters()] == [n for n, _ in encoder.trainable_parameters()]
    for name, value in encoder.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    with torch.no_grad():
        ids = captions(5, 9, 12)
        torch.testing.assert_close(again(pixels(), ids).text, encoder.eval()(pixels(), ids).text)
    assert fingerprint(tmp_path / "deep" / "run") == fingerprint_of(encoder) == fingerprint_of(again)
    card = json.loads((tmp_path / "deep" / "run" / "card.json").read_text(encoding="utf-8"))
    assert card == {"trained on": "häuser"}


def test_half_the_space(tmp_path):
    encoder = small_encoder()
    save_checkpoint(tmp_path / "half", encoder, half=True)
    save_checkpoint(tmp_path / "whole", encoder)
    sizes = [(tmp_path / kind / WEIGHTS_FILE).stat().st_size for kind in ("half", "whole")]
    assert sizes[0] < 0.51 * sizes[1]
    loaded = load_checkpoint(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.visual.proj, encoder.visual.proj.half().float())
    assert fingerprint(tmp_path / "half") == fingerprint_of(loaded) != fingerprint(tmp_path / "whole")


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [(float("nan"), False, "not all finite"), (1e5, True, r"reach 1e\+05, more than float16 holds")],
)
def test_weights_that_cannot_be_stored_leave_the_folder_as_it_was(value, half, said, tmp_path):
    save_checkpoint(tmp_path, small_encoder(seed=1))
    before = fingerprint(tmp_path)
    encoder = small_encoder(seed=2)
    with torch.no_grad():
        encoder.visual.proj[0, 0] = value
    with pytest.raises(CheckpointError, match=said):
        save_checkpoint(tmp_path, encoder, half=half)
    assert fingerprint(tmp_path) == before


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "journal.jsonl").write_text("kept")
    save_checkpoint(tmp_path, small_encoder(seed=1))
    first = fingerprint(tmp_path)
    save_checkpoint(tmp_path, small_encoder(seed=2))
    assert fingerprint(tmp_path) == fingerprint_of(small_encoder(seed=2)) != first
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, "journal.jsonl", WEIGHTS_FILE]


def test_a_failing_write_keeps_the_old_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, small_encoder(seed=1))
    first = fingerprint(tmp_path)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_checkpoint(tmp_path, small_encoder(seed=2))
    assert fingerprint(tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_the_fingerprint_follows_weights_and_configuration():
    encoder = small_encoder()
    first = fingerprint_of(encoder)
    assert first == fingerprint_of(small_encoder())
    with torch.no_grad():
        encoder.visual.proj[0, 0] += 1e-3
    assert fingerprint_of(encoder) != first
    other = small_encoder()
    other.config = other.config.model_copy(update={"mean": (0.5, 0.5, 0.5)})
    assert fingerprint_of(other) != first


def edit_config(folder, change):
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    change(config)
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")


DAMAGE = {
    "no folder": (lambda folder: [path.unlink() for path in folder.iterdir()], "config.json is missing"),
    "no weights": (lambda folder: (folder / WEIGHTS_FILE).unlink(), "model.safetensors is missing"),
    "no json": (lambda folder: (folder / CONFIG_FILE).write_text("{"), "Invalid JSON"),
    "unknown method": (
        lambda folder: edit_config(folder, lambda c: c["encoder"]["adapter"].update(method="magic")),
        "encoder.adapter",
    ),
    "unknown key": (lambda folder: edit_config(folder, lambda c: c.update(extra=1)), "extra"),
    "later format": (lambda folder: edit_config(folder, lambda c: c.update(format=2)), "format"),
    "cut weights": (
        lambda folder: (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-100]),
        "damaged or unreadable",
    ),
    "another width": (
        lambda folder: edit_config(folder, lambda c: c["encoder"]["backbone"].update(embed_dim=16)),
        r"visual\.proj is 64x32 instead of 64x16",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(tmp_path, kind):
    save_checkpoint(tmp_path, small_encoder())
    damage, said = DAMAGE[kind]
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=said) as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_flipped_bit_is_noticed(tmp_path):
    save_checkpoint(tmp_path, small_encoder())
    content = bytearray((tmp_path / WEIGHTS_FILE).read_bytes())
    content[-5] ^= 1
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path)


def test_weights_of_another_run_are_noticed(tmp_path):
    save_checkpoint(tmp_path, small_encoder())
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    save_file({name: tensor + 0 for name, tensor in tensors.items()}, tmp_path / WEIGHTS_FILE)
    load_checkpoint(tmp_path)  # the same values, written by another hand
    tensors["visual.proj"] = tensors["visual.proj"] * 2
    save_file(tensors, tmp_path / WEIGHTS_FILE)
    with pytest.raises(CheckpointError, match="damaged"):
        fingerprint(tmp_path)


def test_misfits_name_the_first_keys():
    encoder = small_encoder()
    tensors = {f"renamed.{n}" if ".ln_1." in n else n: t for n, t in encoder.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        assemble(encoder.config, tensors, "here.pth")
    message = str(caught.value)
    assert message.startswith("here.pth: ")
    assert "10 missing (visual.transformer.resblocks.0.ln_1.weight, " in message
    assert "10 unknown (renamed.visual.transformer.resblocks.0.ln_1.weight, " in message
