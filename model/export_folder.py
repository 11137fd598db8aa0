"""The checkpoint folder that an export writes: the encoder, its card, and what its scores mean."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.encoder import PersonEncoder


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
