"""How much of the machine this process has."""

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use, as `QUOTA PERIOD` in microseconds; `max PERIOD` without a limit."""


def usable_cores() -> int:
    """The cores that it may run on, and no more than a container's limit comes to; else all there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _limit() or cores)


def _limit() -> int | None:
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such group, or `max`
        return None
