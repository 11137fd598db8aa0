"""What a killed run needs to go on: written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch

from model.errors import CheckpointError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write beside, fsync, rename: a reader finds the old state or the new one, never a torn one."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state, or None where there is none. Raises CheckpointError if it cannot be read."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"The training state {path} is damaged ({error}); remove it to start anew."
        ) from error
    return state
