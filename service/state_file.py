"""One table of the state folder, shared by services and commands: durable, private, and looked at again when
another process may have changed it."""

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from model.errors import CsktError

Result = TypeVar("Result")

LOOK_SECONDS = 0.5
"""How long a service may go on with what it knew."""


class StateFile:
    """A SQLite file readable by its owner alone; every commit is on the disk when it returns.

    What goes wrong is raised as `problem`, in a sentence. Threads may share it; `clock` in seconds.
    """

    def __init__(
        self,
        path: Path,
        table: str,
        problem: type[CsktError],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._problem, self._clock = path, problem, clock
        self._lock = threading.Lock()
        self._looked, self._version, self._wrote = -math.inf, -1, True
        with self.sentences():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            for statement in (
                "PRAGMA busy_timeout = 5000",
                "PRAGMA synchronous = FULL",
                "PRAGMA secure_delete = ON",
                table,
            ):
                self._connection.execute(statement)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.sentences(), self._lock:
            return self._connection.execute(query, values).fetchall()

    def write(self, statement: str, values: Sequence[object] = ()) -> int:
        """Change something durably; returns how many rows."""
        with self.sentences(), self._lock:
            self._wrote = True
            return self._connection.execute(statement, values).rowcount

    def change(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do several things in one durable step; what `work` raises undoes them."""
        with self.sentences(), self._lock:
            self._wrote = True
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                return work(self._connection)

    def may_have_changed(self) -> bool:
        """Whether somebody, here or elsewhere, has written since this was last true; asked seldom enough."""
        moment = self._clock()
        if moment - self._looked < LOOK_SECONDS:
            return False
        self._looked = moment
        ((version,),) = self.read("PRAGMA data_version")
        changed = version != self._version or self._wrote
        self._version, self._wrote = version, False
        return changed

    @contextmanager
    def sentences(self) -> Iterator[None]:
        """Turn what goes wrong inside into the problem, naming the file and a remedy."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._problem(
                f"{self.path} cannot be used: {error}; choose another folder with CSKT_STATE, or restore "
                "that file."
            ) from error
