"""What `cskt bench ...` says: a table for people, JSON for machines, and on which machine it was measured.

Every figure is measured with its baseline in one run; `ratio` is value over baseline, so above 1 is good for
a rate and below 1 for a time.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.cores import usable_cores
from model.errors import ConfigError

REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Result:
    """One figure; what there is nothing to compare with has None for baseline and ratio, or goal and met."""

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    goal: float | None
    met: bool | None


def measured(
    name: str,
    value: float,
    unit: str,
    *,
    baseline: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Result:
    """A result with its ratio, held against a goal from below or from above (not both)."""
    if at_least is not None and at_most is not None:
        raise ValueError("a figure has one goal")
    goal = at_least if at_most is None else at_most
    met = None
    if goal is not None:
        met = value >= goal if at_most is None else value <= goal
    return Result(name, value, unit, baseline, value / baseline if baseline else None, goal, met)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """The options that every measurement takes."""
    parser.add_argument("--encoder", default="demo", help="demo, a checkpoint folder or openclip:...")
    parser.add_argument("--quick", action="store_true", help="a rougher figure within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as well")


def check_place(file: Path | None) -> None:
    """ConfigError when the JSON could not be written there; asked before minutes of measuring."""
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise ConfigError(f"{file} cannot be written: give --json a file in a folder that exists.")


def publish(results: Sequence[Result], file: Path | None) -> None:
    """Print the table; write the JSON if a file is named. Raises ConfigError when it cannot be written."""
    print(table(results), flush=True)
    if file is None:
        return
    report = {
        "machine": machine(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "results": [dataclasses.asdict(result) for result in results],
    }
    try:
        file.write_text(json.dumps(report, indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}; name another file.") from error


def table(results: Sequence[Result]) -> str:
    """The results in columns."""
    rows: list[tuple[str, ...]] = [("", "measured", "unit", "baseline", "ratio", "goal", "")]
    for result in results:
        verdict = {None: "", True: "met", False: "not met"}[result.met]
        numbers = [_number(part) for part in (result.value, result.baseline, result.ratio, result.goal)]
        rows.append((result.name, numbers[0], result.unit, *numbers[1:], verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 2, 6)  # columns of words; the others are numbers
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def machine() -> dict[str, Any]:
    """What a figure depends on beside the code; `load`, of the last minute, counts the measuring too."""
    from importlib.metadata import version

    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory / 1e9, 1),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def commit() -> str | None:
    """The commit of this checkout, with `-dirty` when files differ from it; None outside a checkout."""
    if not (REPOSITORY / ".git").exists():
        return None
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def resident_bytes(process: int | None = None) -> int:
    """Resident memory of this process or of the one with that id, in bytes."""
    process = process or os.getpid()
    status = Path(f"/proc/{process}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024
    listed = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True
    )
    return int(listed.stdout) * 1024


def peak_bytes() -> int:
    """The most resident memory of this process since `forget_peak`, where Linux tells; else that of now."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resident_bytes()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let `peak_bytes` begin anew."""
    marks = Path("/proc/self/clear_refs")
    if marks.exists():
        marks.write_text("5")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def processor() -> str:
    """The processor's name as the system tells it."""
    facts = Path("/proc/cpuinfo")
    if sys.platform == "linux" and facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
