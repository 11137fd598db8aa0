"""How many different people a key is shown in a day: nobody leafs through a whole gallery.

`seen.db` in the state folder holds today's counts only, shared by all services on it. People are counted by
passage (track or burst), crops that belong to none one by one. Who was seen today costs nothing again.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from indexer.grouping import group_of
from indexer.items import GalleryItem
from model.errors import CsktError
from service.errors import BudgetSpent
from service.state_file import StateFile

FILE = "seen.db"

_TABLE = """CREATE TABLE IF NOT EXISTS seen (
    day TEXT NOT NULL, key TEXT NOT NULL, item INTEGER NOT NULL, person BLOB NOT NULL,
    PRIMARY KEY (day, key, item)) STRICT, WITHOUT ROWID"""
_COUNT = "SELECT count(DISTINCT person) FROM seen WHERE day = ? AND key = ?"


class BudgetProblem(CsktError):
    """The counts cannot be kept or read; the sentence says why."""


def this_moment() -> datetime:
    """The time in UTC, by which days are told."""
    return datetime.now(UTC)


class Budget:
    """`people_per_day` for each key, counted in the state folder. Threads may share it."""

    def __init__(
        self, folder: Path, people_per_day: int, clock: Callable[[], datetime] = this_moment
    ) -> None:
        self._file = StateFile(folder / FILE, _TABLE, BudgetProblem)
        self._most, self._clock = people_per_day, clock

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def spend(self, key: str, ids: Iterable[int], item_of: Callable[[int], GalleryItem | None]) -> int:
        """Count the rows that `key` is about to be shown, durably; returns how many people are left today.

        Raises BudgetSpent when they are too many, and then counts none of them; BudgetProblem.
        """
        moment = self._clock()
        day = moment.date().isoformat()
        new = self._new(day, key, ids, item_of)
        if not new:
            return self.left(key)

        def count(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM seen WHERE day <> ?", (day,))
            ((before,),) = connection.execute(_COUNT, (day, key))
            connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", new)
            ((after,),) = connection.execute(_COUNT, (day, key))
            if after > max(before, self._most):
                raise self._spent(before, moment)
            return max(0, self._most - int(after))

        return self._file.change(count)

    def left(self, key: str) -> int:
        """How many further people `key` may be shown today."""
        ((seen,),) = self._file.read(_COUNT, (self._clock().date().isoformat(), key))
        return max(0, self._most - int(seen))

    def spend_what_is_left(
        self, key: str, ids: Iterable[int], item_of: Callable[[int], GalleryItem | None]
    ) -> list[int]:
        """Count those of the rows, from the first on, that `key` may still be shown today; returns them."""
        wanted = list(dict.fromkeys(ids))
        day = self._clock().date().isoformat()
        new = self._new(day, key, wanted, item_of)

        def count(connection: sqlite3.Connection) -> set[int]:
            connection.execute("DELETE FROM seen WHERE day <> ?", (day,))
            people = {
                person
                for (person,) in connection.execute(
                    "SELECT DISTINCT person FROM seen WHERE day = ? AND key = ?", (day, key)
                )
            }
            too_many = set()
            for row in new:
                *_, id, person = row
                if person not in people and len(people) >= self._most:
                    too_many.add(id)
                    continue
                people.add(person)
                connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", row)
            return too_many

        too_many = self._file.change(count) if new else set()
        return [id for id in wanted if id not in too_many]

    def _new(
        self, day: str, key: str, ids: Iterable[int], item_of: Callable[[int], GalleryItem | None]
    ) -> list[tuple[str, str, int, bytes]]:
        """Those of the rows that the key was not shown that day, as they are written."""
        query = "SELECT item FROM seen WHERE day = ? AND key = ?"
        seen = {item for (item,) in self._file.read(query, (day, key))}
        return [(day, key, id, _person(id, item_of(id))) for id in dict.fromkeys(ids) if id not in seen]

    def _spent(self, before: int, moment: datetime) -> BudgetSpent:
        midnight = datetime(moment.year, moment.month, moment.day, tzinfo=UTC) + timedelta(days=1)
        left = max(0, self._most - before)
        fewer = "ask for fewer, or " if left else ""
        error = BudgetSpent(
            f"This key may be shown {self._most} different people a day and has {left} left until midnight "
            f"UTC; {fewer}go on tomorrow."
        )
        error.retry_after = max(1, round((midnight - moment).total_seconds()))
        return error


def _person(id: int, item: GalleryItem | None) -> bytes:
    """What stands for a passage; it tells nothing about it."""
    group = ("row", id) if item is None else group_of(id, item)
    return hashlib.sha256(repr(group).encode()).digest()[:16]
