"""The checkpoint folder that is written: whether it may be, the encoder, its card, what its scores mean."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.encoder import PersonEncoder


def holds_encoder(out: Path, fingerprint: str) -> bool:
    """Whether the encoder lies in `out` already; not if it is empty or absent.

    Raises CheckpointError where something else is there, or nothing can be written.
    """
    from model.checkpoint import CONFIG_FILE
    from model.checkpoint import fingerprint as fingerprint_at
    from model.errors import CheckpointError
    from model.inference.proven import read_proven

    held = (out / CONFIG_FILE).is_file()
    empty = not out.exists() or (out.is_dir() and all(one.suffix == ".partial" for one in out.iterdir()))
    if not held and not empty:
        raise CheckpointError(f"{out} exists and is no checkpoint folder: name a new or empty folder.")
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise CheckpointError(f"{out}: nothing can be written there: name a new folder in one of your own.")
    if held:
        if fingerprint_at(out) != fingerprint:
            raise CheckpointError(f"{out} holds another encoder: name a new or empty folder.")
        read_proven(out, fingerprint)  # what cannot be read is said now, not after minutes of measuring
    return held


def card_of(name: str) -> dict[str, Any] | None:
    """The card of an encoder: the one in its folder, or what open_clip's was made from.

    Raises CheckpointError for one that cannot be read, or not be written again.
    """
    from model.checkpoint import CARD_FILE
    from model.embedder import checkpoint_folder, public_name
    from model.errors import CheckpointError

    folder = checkpoint_folder(name)
    if folder is None:
        return {"exported_from": public_name(name)}
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_bytes()) if path.is_file() else None
        json.dumps(card, ensure_ascii=False).encode()
        if card is not None and not isinstance(card, dict):
            raise ValueError("not a JSON object")
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); mend it or move it away.") from error
    return card


def take_calibration(name: str, fingerprint: str, out: Path) -> None:
    """What the scores of an encoder mean stays true of its forms, so it goes with them."""
    from model.embedder import checkpoint_folder
    from model.matching.calibration import read_calibration, write_calibration

    calibration = read_calibration(checkpoint_folder(name), fingerprint)
    if calibration is not None:
        write_calibration(out, calibration)


def write_checkpoint(out: Path, encoder: "PersonEncoder", card: Mapping[str, Any] | None) -> None:
    """The encoder, in half the space where no weight needs more; whole numbers are kept as they are."""
    import torch

    from model.checkpoint import save_checkpoint

    weights = [tensor for tensor in encoder.state_dict().values() if tensor.is_floating_point()]
    half = all(torch.equal(tensor.half().to(tensor.dtype), tensor) for tensor in weights)
    save_checkpoint(out, encoder, card, half)
