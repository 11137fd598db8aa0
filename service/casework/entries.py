"""What people wrote into case files: pins, notes, decisions, one after the other; nothing is ever rewritten.

`entries.db` in the state folder. The present state of a case is read off its entries (`case_file.py`).
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from model.errors import CsktError
from service.keys import now
from service.state_file import StateFile

FILE = "entries.db"
MOST = 20_000
"""Entries of one case."""

_TABLE = """CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, investigation TEXT NOT NULL, key TEXT NOT NULL,
    name TEXT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, item INTEGER, query TEXT NOT NULL, verdict TEXT,
    words TEXT NOT NULL
) STRICT"""
_COLUMNS = "number, key, name, at, kind, item, query, verdict, words, asked, mark"

Kind = Literal["pin", "unpin", "note", "decision"]
Verdict = Literal["same", "not", "unsure"]
Asked = Literal["words", "words and more"]
"""Whether the words alone were asked for, or pictures or marked rows beside them."""


class EntryProblem(CsktError):
    """Entries cannot be kept or read; the sentence says why."""


class CaseFull(EntryProblem):
    """A case holds as many entries as it may."""


@dataclass(frozen=True)
class Entry:
    """One line of a case file: what (`kind`), by whom (id and name of a key), when (ISO 8601 in UTC).

    query: the words that a pinned or judged item (an id of the gallery) was found by, `asked` alone or not;
    words: of a note; mark: which item had that id then (`row_marks.py`), "" where it is not known.
    """

    kind: Kind
    key: str
    name: str
    item: int | None = None
    query: str = ""
    verdict: Verdict | None = None
    words: str = ""
    at: str = ""
    number: int = 0
    asked: Asked = "words"
    mark: str = ""


class Entries:
    """The entries of all cases of one state folder. Raises EntryProblem where they cannot be kept or read."""

    def __init__(self, folder: Path) -> None:
        self._file = StateFile(folder / FILE, _TABLE, EntryProblem)
        self._file.change(_add_columns)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def add(self, case: str, entry: Entry) -> None:
        """Write one more line, durably. Raises CaseFull."""
        ((count,),) = self._file.read("SELECT count(*) FROM entry WHERE investigation = ?", (case,))
        if count >= MOST:
            raise CaseFull(f"The case {case} holds {MOST} entries already; open another one.")
        self._file.write(
            f"INSERT INTO entry (investigation, {_COLUMNS}) VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                case,
                entry.key,
                entry.name,
                now(),
                entry.kind,
                entry.item,
                entry.query,
                entry.verdict,
                entry.words,
                entry.asked,
                entry.mark,
            ),
        )

    def forget(self, case: str) -> int:
        """Erase all entries of a case; returns how many there were."""
        return self._file.write("DELETE FROM entry WHERE investigation = ?", (case,))

    def of_case(self, case: str) -> list[Entry]:
        """All entries of a case, the oldest first."""
        query = f"SELECT {_COLUMNS} FROM entry WHERE investigation = ? ORDER BY number"
        return [_entry(row) for row in self._file.read(query, (case,))]

    def by_case(self) -> dict[str, list[Entry]]:
        """All entries of all cases."""
        cases: dict[str, list[Entry]] = {}
        rows = self._file.read(f"SELECT investigation, {_COLUMNS} FROM entry ORDER BY number")
        for case, *row in rows:
            cases.setdefault(case, []).append(_entry(tuple(row)))
        return cases


def _add_columns(connection: sqlite3.Connection) -> None:
    """Files of earlier versions lack these columns."""
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(entry)")}
    for name, default in (("asked", "words"), ("mark", "")):
        if name not in columns:
            connection.execute(f"ALTER TABLE entry ADD COLUMN {name} TEXT NOT NULL DEFAULT '{default}'")


def _entry(row: tuple[object, ...]) -> Entry:
    number, key, name, at, kind, item, query, verdict, words, asked, mark = row
    return Entry(
        cast("Kind", kind),
        str(key),
        str(name),
        cast("int | None", item),
        str(query),
        cast("Verdict | None", verdict),
        str(words),
        str(at),
        cast("int", number),
        cast("Asked", asked),
        str(mark),
    )
