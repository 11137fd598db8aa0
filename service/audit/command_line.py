"""Commands that change a gallery or show who is in it leave records too, where a service keeps a log."""

import argparse
import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def recorded(arguments: argparse.Namespace) -> int | None:
    """Run the command; if it is one of the above, with a record before it begins and one of its end.

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
    words = str(getattr(arguments, "text", ""))
    record_action(folder, action, facts, words)
    ended: object = "with an error"
    try:
        code = _run(arguments)
        ended = code or 0
        return code
    finally:
        record_action(folder, action, {"ended": ended})


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
) -> None:
    """Leave a record, durably; `shown`: the ids of the items shown. Raises ServeError, NotRecorded."""
    log = BookLog(places_of(state_folder))
    try:
        told = {"command_line": True, **facts}
        log.write_now(Record(action, "", system_user(), words=words, shown=list(shown), facts=told))
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
