"""How much of the machine this process has."""

import os


def usable_cores() -> int:
    """The cores that it may run on, as far as the system tells; else all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
