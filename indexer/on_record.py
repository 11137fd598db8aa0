"""Whom a command is about to show or to remove, told to whoever keeps a record of its doings."""

import argparse
from collections.abc import Callable, Sequence

RecordItems = Callable[[Sequence[int]], None]
"""Takes ids. What it raises keeps the items from being shown or removed."""


def record_items(arguments: argparse.Namespace, ids: Sequence[int]) -> None:
    """Called with the ids of items before they are shown or removed; nothing happens where no record is kept.

    Who keeps one has put a RecordItems into the arguments: see service/audit/command_line.py.
    """
    record: RecordItems | None = getattr(arguments, "record_items", None)
    if record is not None and ids:
        record(ids)
