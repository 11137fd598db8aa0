"""Where cases are worked on: who may open which, and what is written into their files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from indexer.times import iso
from service.casework.cases import Case, CaseStore
from service.casework.entries import CaseFull, Entries, Entry
from service.errors import BadQuery, CaseTaken, UnknownCase
from service.keys import now
from service.scopes import Caller, Scope

CONFIRMING = {"open": 1, "casework": 2}
"""How many people must say `same` before somebody counts as found, by the profile of the service."""


NEEDED = "people-needed"
"""The file of the state folder that says how many must agree in its cases, for commands."""


def people_needed_in(folder: Path) -> int | None:
    """How many people must agree, as the last service on this state folder said."""
    try:
        return int((folder / NEEDED).read_text())
    except (OSError, ValueError):
        return None


class Desk:
    """The cases of one state folder and their files; `people_needed`: see CONFIRMING.

    Threads may share it. Raises CaseProblem and EntryProblem where something cannot be kept or read.
    """

    def __init__(self, folder: Path, people_needed: int) -> None:
        self.cases, self.people_needed = CaseStore(folder), people_needed
        self._entries = Entries(folder)
        (folder / NEEDED).write_text(f"{people_needed}\n")

    def close(self) -> None:
        """Let go of the files."""
        self.cases.close()
        self._entries.close()

    def listed(self, caller: Caller) -> list[Case]:
        """The open cases that the caller may work on (who opens cases: all open ones), the newest first."""
        moment, everybodys = now(), Scope.ADMIN in caller.scopes
        return [
            case
            for case in reversed(self.cases.all())
            if case.open_at(moment) and (everybodys or case.open_for(caller.key, moment))
        ]

    def begin(self, id: str, basis: str, days: int) -> Case:
        """Open a case for so many days. Raises CaseTaken."""
        if id in {case.id for case in self.cases.all()}:
            raise CaseTaken(f"There is a case {id} already; take another name.")
        return self.cases.begin(id, basis, iso(datetime.now(UTC) + timedelta(days=days)))

    def end(self, id: str) -> None:
        """Close a case. Raises UnknownCase."""
        if id not in {case.id for case in self.cases.all()}:
            raise UnknownCase(_no_case(id))
        self.cases.end(id)

    def case(self, id: str, caller: Caller) -> Case:
        """An open case. Raises UnknownCase, also for one that this caller may not work on."""
        found = next((case for case in self.cases.all() if case.id == id), None)
        if found is None or not found.open_for(caller.key, now()):
            raise UnknownCase(_no_case(id))
        return found

    def entries(self, id: str) -> list[Entry]:
        """What was written into the file of a case, the oldest first."""
        return self._entries.of_case(id)

    def write(self, id: str, entry: Entry) -> None:
        """Write one more line into the file of a case. Raises BadQuery when it is full."""
        try:
            self._entries.add(id, entry)
        except CaseFull as error:
            raise BadQuery(str(error)) from error


def _no_case(id: str) -> str:
    return f"There is no open case {id} that you may work on."
