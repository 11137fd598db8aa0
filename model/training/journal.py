"""The record of a run: one JSON object a line in `journal.jsonl`, and the same for people on the terminal."""

import json
import time
from pathlib import Path


class Journal:
    """Appends entries; on resume, entries after the step resumed from are dropped first."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self.path = folder / "journal.jsonl"
        kept = [entry for entry in self.entries() if entry["step"] <= resumed_at]
        self.path.write_text("".join(json.dumps(entry) + "\n" for entry in kept), "utf-8")

    def entries(self) -> list[dict[str, float]]:
        """Everything written so far; a last line cut short by a crash is passed over."""
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
        entry = {"step": step, "time": round(time.time(), 1)} | {
            name: round(value, 5) for name, value in values.items()
        }
        with self.path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")
