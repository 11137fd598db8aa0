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

    def spend(self, key: str, ids: Iterable[int], item_of: Callable[[int], GalleryItem | None]) -> None:
        """Count the rows that `key` is about to be shown, durably.

        Raises BudgetSpent when they are too many, and then counts none of them; BudgetProblem.
        """
        moment, wanted = self._clock(), dict.fromkeys(ids)
        day = moment.date().isoformat()
        seen = {
            item for (item,) in self._file.read("SELECT item FROM seen WHERE day = ? AND key = ?", (day, key))
        }
        new = [(day, key, id, _person(id, item_of(id))) for id in wanted if id not in seen]
        if not new:
            return

        def count(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM seen WHERE day <> ?", (day,))
            ((before,),) = connection.execute(_COUNT, (day, key))
            connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", new)
            ((after,),) = connection.execute(_COUNT, (day, key))
            if after > max(before, self._most):
                raise self._spent(before, moment)

        self._file.change(count)

    def _spent(self, before: int, moment: datetime) -> BudgetSpent:
        midnight = datetime(moment.year, moment.month, moment.day, tzinfo=UTC) + timedelta(days=1)
        left = max(0, self._most - before)
        error = BudgetSpent(
            f"This key may be shown {self._most} different people a day and has {left} left until midnight "
            "UTC; ask for fewer, or go on tomorrow."
        )
        error.retry_after = max(1, round((midnight - moment).total_seconds()))
        return error


def _person(id: int, item: GalleryItem | None) -> bytes:
    """What stands for a passage; it tells nothing about it."""
    group = ("row", id) if item is None else group_of(id, item)
    return hashlib.sha256(repr(group).encode()).digest()[:16]
