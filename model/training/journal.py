"""The record of a run: `metrics.jsonl`, one JSON object a line; `run.json`, what it was started with."""

import datetime
import json
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from model.bench_report import commit, machine
from model.errors import ConfigError
from model.training.recipe import Recipe
from model.training.state import load_json
from model.whole_file import write_whole


class _Board(Protocol):
    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...

    def close(self) -> None: ...


class Journal:
    """Appends entries; on resume, entries after the step resumed from are dropped first (at 0: all).

    With `tensorboard` the same figures go to event files in the folder's `tensorboard/`. Only the process
    that leads writes.
    """

    def __init__(self, folder: Path, resumed_at: int, leads: bool = True, tensorboard: bool = False) -> None:
        self.path, self.leads = folder / "metrics.jsonl", leads
        self._board = _open_board(folder / "tensorboard", resumed_at) if tensorboard and leads else None
        if leads:
            kept = [entry for entry in self.entries() if entry["step"] <= resumed_at] if resumed_at else []
            write_whole(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))

    def entries(self) -> list[dict[str, Any]]:
        """Everything written so far (None: no finite number); a last line cut short is passed over."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text("utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return found

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append one entry: the step, the time and the values."""
        if not self.leads:
            return
        entry = {"step": step, "time": round(time.time(), 1)} | {
            name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in values.items()
        }
        with self.path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()


def record_start(folder: Path, recipe: Recipe, step: int, processes: int) -> None:
    """Add this start of the run, at `step`, to the folder's `run.json`."""
    path = folder / "run.json"
    starts: list[dict[str, Any]] = load_json(path) if path.exists() else []
    packages = ("cskt", "torch", "open_clip_torch", "numpy", "pillow")
    starts.append(
        {
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "at_step": step,
            "command": sys.argv,
            "seed": recipe.seed,
            "data_seed": getattr(recipe.data, "seed", recipe.seed),
            "processes": processes,
            "commit": commit(),
            "versions": {name: version(name) for name in packages},
            "machine": machine(),
        }
    )
    write_whole(path, json.dumps(starts, indent=1) + "\n")


def _open_board(folder: Path, resumed_at: int) -> _Board:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("--tensorboard needs a package: pip install 'cskt[tensorboard]'.") from None
    return SummaryWriter(str(folder), purge_step=resumed_at + 1 if resumed_at else 0)
