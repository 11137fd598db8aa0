"""Commands that change a gallery or show who is in it leave records too, where a service keeps a log."""

import argparse
import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from service.audit.places import Places
from service.audit.record import Record
from service.audit.writer import BookLog

ACTIONS: Mapping[str, str] = {
    "run_index": "index",
    "run_search": "search",
    "run_remove": "remove",
    "run_backup": "backup",
    "run_restore": "restore",
    "run_compact": "compact",
    "run_retention": "retention",
    "run_expire": "expire",
    "run_migrate": "migrate",
}
"""By the function that runs the command."""

_LONGEST_FACT = 2000

MOST_ITEMS = 10_000
"""Ids in one record, as many as the service ranks at most; more of them are in several records."""


def recorded(arguments: argparse.Namespace) -> int | None:
    """Run the command; if it is one of the above, with a record before it begins and one of its end.

    In between, whom it shows or removes is on record before it does (see indexer.on_record).
    Raises what the command raises, and ServeError or NotRecorded before it has begun.
    """
    action = ACTIONS.get(getattr(arguments.run, "__name__", ""))
    folder = None if action is None else state_folder_of(str(getattr(arguments, "gallery", "")))
    if action is None or folder is None:
        return _run(arguments)
    facts = {
        name: value if isinstance(value, bool | int | float) else str(value)[:_LONGEST_FACT]
        for name, value in vars(arguments).items()
        if name not in ("run", "text") and value is not None
    }
    words, request = str(getattr(arguments, "text", "")), uuid4().hex
    record_action(folder, action, facts, words, request=request)
    arguments.record_items = partial(_record_items, folder, action, request)
    ended: object = "with an error"
    try:
        code = _run(arguments)
        ended = code or 0
        return code
    finally:
        record_action(folder, action, {"ended": ended}, request=request)


def state_folder_of(gallery: str) -> Path | None:
    """The state folder of a gallery, if a service has made one."""
    named = os.environ.get("CSKT_STATE") or f"{gallery.removeprefix('local:').rstrip('/')}.state"
    return Path(named) if Path(named).is_dir() else None


def places_of(state_folder: Path) -> Places:
    """Where its log is, as the environment of the service says it too."""
    environment = os.environ
    return Places.of(
        state_folder, environment.get("CSKT_AUDIT_KEY_FILE"), environment.get("CSKT_AUDIT_HEADS")
    )


def record_action(
    state_folder: Path,
    action: str,
    facts: Mapping[str, object],
    words: str = "",
    shown: Sequence[int] = (),
    request: str = "",
) -> None:
    """Leave a record, durably; `shown`: the ids of the items shown; `request`: one for all of a command.

    Raises ServeError, NotRecorded.
    """
    told = {"command_line": True, **facts}
    with _log_in(state_folder) as log:
        log.write_now(Record(action, "", system_user(), request, words=words, shown=list(shown), facts=told))


def _record_items(state_folder: Path, action: str, request: str, ids: Sequence[int]) -> None:
    """Name all items that a command is about to show or to remove, durably. Raises as `record_action`."""
    told = {"command_line": True, "items": len(ids)}
    with _log_in(state_folder) as log:
        for start in range(0, len(ids), MOST_ITEMS):
            some = list(ids[start : start + MOST_ITEMS])
            log.write_now(Record(action, "", system_user(), request, shown=some, facts=told))


@contextmanager
def _log_in(state_folder: Path) -> Iterator[BookLog]:
    log = BookLog(places_of(state_folder))
    try:
        yield log
    finally:
        log.close_now()


def _run(arguments: argparse.Namespace) -> int | None:
    code = arguments.run(arguments)
    assert code is None or isinstance(code, int)
    return code


def system_user() -> str:
    """The user of the system, who may have become another one by sudo."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {before})" if before else name
