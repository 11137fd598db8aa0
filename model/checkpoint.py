"""A checkpoint is a folder: config.json (what rebuilds the network) and model.safetensors; card.json tells
about it.

Files appear whole or not at all, and config.json holds a digest of the weights, so that damage and mixed
files are noticed. Loading needs no code from the file: JSON and safetensors only.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.errors import CheckpointError
from model.tokenizer import Tokenizer
from model.unfilled import unfilled

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "card.json"
PREPROCESSING = "resize bilinear antialiased, scale to 0..1, normalise; version 1"
_KEYS_NAMED = 3


class _ConfigFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    encoder: EncoderConfig
    weights_sha256: str


class LoadedCheckpoint(NamedTuple):
    """An encoder in evaluation mode and its fingerprint."""

    encoder: PersonEncoder
    fingerprint: str


class CheckpointContent(NamedTuple):
    """What a checkpoint of an encoder holds: the configuration with a digest of the weights, and these."""

    config: _ConfigFile
    tensors: dict[str, torch.Tensor]

    @property
    def fingerprint(self) -> str:
        """The fingerprint that the checkpoint has once it is written."""
        return _fingerprint(self.config.encoder, self.config.weights_sha256)


def save_checkpoint(
    folder: Path | str, encoder: PersonEncoder, card: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write `encoder` (and `card`, JSON-ready) to `folder`, replacing an older checkpoint there.

    `half` stores the weights as float16, in half the space. Raises CheckpointError if the folder cannot be
    written, and for weights that are no numbers, or too large for float16 with `half`.
    """
    write_content(Path(folder), content_of(encoder, half), card)


def content_of(encoder: PersonEncoder, half: bool = False) -> CheckpointContent:
    """What would be written of `encoder`, for whom the fingerprint decides about it; errors as there."""
    tensors = stored(encoder, half)
    config = _ConfigFile(encoder=encoder.config, weights_sha256=weights_digest(tensors))
    return CheckpointContent(config, tensors)


def write_content(folder: Path, content: CheckpointContent, card: Mapping[str, Any] | None = None) -> None:
    """Write `content` and `card` to `folder` as `save_checkpoint` does."""
    config = _json(content.config.model_dump(mode="json"))
    contents = {WEIGHTS_FILE: save(content.tensors), CONFIG_FILE: config}
    if card is not None:
        contents[CARD_FILE] = _json(card)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_together(folder, contents)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: the checkpoint could not be written ({error.strerror or error})."
        ) from error


def load_checkpoint(folder: Path | str) -> PersonEncoder:
    """The encoder stored in `folder`, float32 and in evaluation mode; CheckpointError if it is missing or
    damaged."""
    return read_checkpoint(folder).encoder


def read_checkpoint(folder: Path | str) -> LoadedCheckpoint:
    """The encoder stored in `folder` and its fingerprint, reading the weights once."""
    config, tensors = _read(Path(folder))
    encoder = assemble(config.encoder, tensors, where=str(folder))
    return LoadedCheckpoint(encoder, _fingerprint(config.encoder, config.weights_sha256))


def fingerprint(folder: Path | str) -> str:
    """What every vector of this encoder depends on: weights, configuration, vocabulary and preprocessing,
    as sha256."""
    config, _ = _read(Path(folder))
    return _fingerprint(config.encoder, config.weights_sha256)


def fingerprint_of(encoder: PersonEncoder) -> str:
    """The fingerprint that `encoder` would have if it was saved as it is; errors as there."""
    return content_of(encoder).fingerprint


def stored(encoder: PersonEncoder, half: bool) -> dict[str, torch.Tensor]:
    """The weights as a checkpoint holds them, on the CPU. Raises CheckpointError for those that it cannot."""
    return {name: _stored(name, tensor, half) for name, tensor in encoder.state_dict().items()}


def assemble(config: EncoderConfig, tensors: Mapping[str, torch.Tensor], where: str) -> PersonEncoder:
    """A PersonEncoder (float32, evaluation mode) holding exactly `tensors`.

    Raises CheckpointError, naming the first ones, if tensors are missing, left over or of another shape.
    """
    with unfilled():
        encoder = PersonEncoder(config)
    expected = encoder.state_dict()
    require_fit({name: tuple(tensor.shape) for name, tensor in expected.items()}, tensors, where)
    state = {name: tensors[name].to(value.dtype) for name, value in expected.items()}
    encoder.load_state_dict(state, assign=True)
    encoder.freeze()
    return encoder.eval()


def require_fit(
    expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, torch.Tensor], where: str
) -> None:
    """Raise CheckpointError unless `tensors` has exactly the expected names and shapes; names the first
    that differ."""
    missing = [name for name in expected if name not in tensors]
    unknown = [name for name in tensors if name not in expected]
    misshapen = [
        f"{name} is {_shape(tensors[name].shape)} instead of {_shape(shape)}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems = [
        f"{len(names)} {what} ({', '.join(names[:_KEYS_NAMED])}{', ...' if len(names) > _KEYS_NAMED else ''})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise CheckpointError(f"{where}: the weights do not fit the network: tensors {'; '.join(problems)}.")


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """sha256 over names, shapes and float32 values, whatever the precision they are stored in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu()
        value = value.float() if value.is_floating_point() else value
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()


def _read(folder: Path) -> tuple[_ConfigFile, dict[str, torch.Tensor]]:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder}: no checkpoint here, {name} is missing; "
                f"name a folder with {CONFIG_FILE} and {WEIGHTS_FILE} (--encoder, also where it was moved)."
            )
    try:
        config = _ConfigFile.model_validate_json((folder / CONFIG_FILE).read_bytes())
        tensors = load_file(folder / WEIGHTS_FILE)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: {place}: {first['msg']}; restore the checkpoint."
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE}: damaged or unreadable ({error}); restore the file."
        ) from error
    if weights_digest(tensors) != config.weights_sha256:
        raise CheckpointError(
            f"{folder}: damaged, its weights are not those that {CONFIG_FILE} describes; restore it."
        )
    return config, tensors


def _fingerprint(config: EncoderConfig, weights: str) -> str:
    parts = {
        "weights": weights,
        "config": config.model_dump(mode="json", exclude={"backbone": {"name"}}),  # the name is for people
        "vocabulary": Tokenizer(config.backbone.text.context_length).fingerprint(),
        "preprocessing": PREPROCESSING,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files beside their places and onto the disk first, then move them in with nothing in
    between."""
    suffix = f".{secrets.token_hex(4)}.partial"
    parts = [folder / (name + suffix) for name in contents]
    try:
        for part, content in zip(parts, contents.values(), strict=True):
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for part, name in zip(parts, contents, strict=True):
            part.replace(folder / name)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _stored(name: str, tensor: torch.Tensor, half: bool) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    if not tensor.isfinite().all():
        raise CheckpointError(
            f"The weights {name} are not all finite numbers; mend or replace the file that they came from."
        )
    kept = tensor.half() if half else tensor
    if not kept.isfinite().all():
        raise CheckpointError(
            f"The weights {name} reach {tensor.abs().max():.3g}, more than float16 holds (65504); "
            "keep them in float32 (without --half), or train with a lower rate."
        )
    return kept


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _shape(shape: tuple[int, ...] | torch.Size) -> str:
    return "x".join(str(side) for side in shape) or "a scalar"
