"""Cases: what may be searched for, why, by whom and until when.

`cases.db` in the state folder is shared by commands and services; a change is felt within a second.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import CsktError
from service.keys import now
from service.state_file import StateFile

FILE = "cases.db"
MOST_LETTERS = 64
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a case may be called: it stands in addresses, headers and the names of files."""

_TABLE = """CREATE TABLE IF NOT EXISTS investigation (
    id TEXT PRIMARY KEY, basis TEXT NOT NULL, opened TEXT NOT NULL, expires TEXT NOT NULL, closed TEXT,
    cameras TEXT, keys TEXT) STRICT"""


class CaseProblem(CsktError):
    """A case cannot be opened, found or read; the sentence says why."""


@dataclass(frozen=True)
class Case:
    """What is known of a case; times are ISO 8601 in UTC.

    basis: on which ground it is worked on; cameras and keys: only these, None: all.
    """

    id: str
    basis: str
    opened: str
    expires: str
    closed: str | None
    cameras: tuple[str, ...] | None
    keys: tuple[str, ...] | None

    def open_at(self, moment: str) -> bool:
        """Whether it is worked on at this time."""
        return self.closed is None and self.opened <= moment < self.expires

    def open_for(self, key: str, moment: str) -> bool:
        """Whether this key may work on it at this time."""
        return self.open_at(moment) and (self.keys is None or key in self.keys)


class CaseStore:
    """The cases of one state folder. Raises CaseProblem where they cannot be kept or read."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = StateFile(folder / FILE, _TABLE, CaseProblem, clock)
        self._known: dict[str, Case] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def begin(
        self,
        id: str,
        basis: str,
        expires: str,
        cameras: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
    ) -> Case:
        """Open a case. Raises CaseProblem when it cannot be called that or there was one of that name."""
        if len(id) > MOST_LETTERS or not re.fullmatch(NAME, id):
            raise CaseProblem(
                f"{id!r} is no name for a case: take letters, digits, dots, dashes and underscores, a letter "
                f"or digit first, at most {MOST_LETTERS}."
            )
        case = Case(id, basis, now(), expires, None, _names(cameras), _names(keys))
        row = (
            id,
            basis,
            case.opened,
            expires,
            None,
            *(json.dumps(x) if x else None for x in (cameras, keys)),
        )
        added = self._file.write("INSERT OR IGNORE INTO investigation VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if not added:
            raise CaseProblem(f"there is a case {id} already; take another name.")
        return case

    def end(self, id: str) -> Case:
        """Close a case: nothing is shown for it any more. Raises CaseProblem when there is none."""
        self._file.write("UPDATE investigation SET closed = coalesce(closed, ?) WHERE id = ?", (now(), id))
        return self.known(id)

    def extend(self, id: str, expires: str) -> Case:
        """Give a case another end. Raises CaseProblem when there is none of that name or it was closed."""
        changed = self._file.write(
            "UPDATE investigation SET expires = ? WHERE id = ? AND closed IS NULL", (expires, id)
        )
        case = self.known(id)
        if not changed:
            raise CaseProblem(f"the case {id} was closed: open another one, under another name.")
        return case

    def known(self, id: str) -> Case:
        """The case of that name, open or not. Raises CaseProblem when there is none."""
        for case in self.all():
            if case.id == id:
                return case
        raise CaseProblem(f"there is no case {id}: cskt case list shows those there are.")

    def all(self) -> list[Case]:
        """All cases, the oldest first."""
        rows = self._file.read("SELECT * FROM investigation ORDER BY opened, id")
        with self._file.sentences():
            return [_case(row) for row in rows]

    def find(self, id: str) -> Case | None:
        """The case of that name, as it was half a second ago at most."""
        if self._file.may_have_changed():
            self._known = {case.id: case for case in self.all()}
        return self._known.get(id)


def _case(row: tuple[Any, ...]) -> Case:
    return Case(*row[:5], *(tuple(json.loads(text)) if text else None for text in row[5:7]))


def _names(given: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(given) if given else None
