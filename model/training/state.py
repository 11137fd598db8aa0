"""What a killed run needs to go on, and the best moment it had: written whole or not at all."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError
from model.whole_file import whole_file

Fact = int | str | None
"""A number of something, or the digest of something; None where a run has no such thing."""

BEST = ("r1", "step", "weights")
"""What a best moment is kept with."""

STATE = (
    *("weights", "losses", "optimizer", "scaler", "averaged", "confidence"),
    *("watch", "seen_tokens", "step", "seconds", "facts"),
)
"""What a run is kept with."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write beside, fsync, rename: a reader finds the old state or the new one, never a torn one."""
    with whole_file(path) as file:
        torch.save(state, file)


def load_state(path: Path, needs: Collection[str] = ()) -> dict[str, Any] | None:
    """The saved state, or None where there is none.

    Raises CheckpointError if it cannot be read or lacks one of the entries that it `needs`.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"The training state {path} is damaged ({error}); remove the run's folder to start anew."
        ) from error
    lacking = [name for name in needs if name not in state]
    if lacking:
        raise CheckpointError(
            f"{path} was kept by another version of cskt (it lacks {', '.join(lacking)}); "
            "finish the run with that version, or remove its folder to start anew."
        )
    return state


def load_json(path: Path) -> Any:  # noqa: ANN401 (what JSON holds)
    """What a run kept in a JSON file. Raises CheckpointError if it cannot be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}); remove the run's folder to start anew."
        ) from error


def require_same(out: Path, begun: Mapping[str, Fact], now: Mapping[str, Fact]) -> None:
    """Raise ConfigError unless the run in `out` goes on with what it was begun with."""
    for what, value in now.items():
        before = begun.get(what)
        if before != value:
            counted = f"{before} {what}, and there are {value} now"
            other = counted if isinstance(value, int) else f"other {what}"
            raise ConfigError(
                f"{out} was begun with {other}; restore the data, the initial encoder and the number of "
                "processes, or give another --out."
            )


def moving_weights(encoder: PersonEncoder) -> dict[str, torch.Tensor]:
    """The tensors that training changes, by name: the adapter's, or all if the backbone trains as well."""
    if encoder.adapter.trains_backbone:
        return dict(encoder.state_dict())
    return {f"adapter.{name}": tensor for name, tensor in encoder.adapter.state_dict().items()}


def restore_weights(encoder: PersonEncoder, weights: dict[str, torch.Tensor]) -> None:
    """Put back what `moving_weights` gave; CheckpointError if the tensors are those of another network."""
    expected = moving_weights(encoder).keys()
    if weights.keys() != expected:
        raise CheckpointError(
            f"The training state holds {len(weights)} tensors, the recipe's network {len(expected)} others; "
            "remove the run's folder to start anew."
        )
    encoder.load_state_dict(weights, strict=False)


class Best:
    """The moment with the highest R@1 on the split that decides, the first of equals; kept on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        kept = load_state(path, BEST)
        self.r1 = -1.0 if kept is None else float(kept["r1"])
        self.step: int | None = None if kept is None else int(kept["step"])

    def forget(self) -> None:
        """Start without a best moment: what is kept belongs to another run."""
        self.path.unlink(missing_ok=True)
        self.r1, self.step = -1.0, None

    def offer(self, r1: float, step: int, encoder: PersonEncoder) -> None:
        """Keep the encoder's weights if it is better than any before."""
        if r1 > self.r1:
            save_state(self.path, {"r1": r1, "step": step, "weights": moving_weights(encoder)})
            self.r1, self.step = r1, step

    def restore(self, encoder: PersonEncoder) -> None:
        """Give the encoder the best moment's weights; it is left as it is where nothing was offered."""
        kept = load_state(self.path, BEST)
        if kept is not None:
            restore_weights(encoder, kept["weights"])
