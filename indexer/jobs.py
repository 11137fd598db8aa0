"""Which index jobs run on a gallery or ran lately, for whoever looks on; no truth about what is stored.

`jobs.json` in the gallery's folder is replaced as a whole, by the one process that writes to the gallery. It
holds `jobs.lock` while it does: the system lets go of that when the process dies, however it dies.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from indexer.errors import GalleryError
from indexer.labels import source_label
from indexer.times import iso

if TYPE_CHECKING:
    from indexer.indexing import IndexReport

FILE, LOCK = "jobs.json", "jobs.lock"
KEPT = 10
"""Jobs that are remembered."""

SECONDS = 1.0
"""Between two looks at a running job."""

State = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Job:
    """One source on its way into the gallery. `total` None: not known; `rate`: images a second; times in UTC.

    `done` counts every image that was looked at: the new, the known, the removed and the rejected.
    """

    source: str
    state: State
    started: str
    updated: str
    done: int = 0
    total: int | None = None
    new: int = 0
    known: int = 0
    removed: int = 0
    rejected: int = 0
    rate: float = 0.0


class RunningJob:
    """Tells of a job as it goes on. What cannot be written is left out: the job itself is what counts."""

    def __init__(self, folder: Path, source: str, total: int | None, before: list[Job]) -> None:
        self._folder, self._before = folder, before
        self._began, self._told = time.monotonic(), 0.0
        moment = _now()
        self._job = Job(source_label(source), "running", moment, moment, total=total)
        self._write()

    def update(self, report: "IndexReport") -> None:
        """Take up what the report says, if the last look is a while ago."""
        if time.monotonic() - self._told >= SECONDS:
            self._tell(report, "running")

    def end(self, report: "IndexReport", state: State) -> None:
        """How it ended."""
        self._tell(report, state)

    def _tell(self, report: "IndexReport", state: State) -> None:
        done = report.new + report.known + report.removed + report.rejected
        self._job = replace(
            self._job,
            state=state,
            updated=_now(),
            done=done,
            new=report.new,
            known=report.known,
            removed=report.removed,
            rejected=report.rejected,
            rate=round(done / max(time.monotonic() - self._began, 1e-9), 2),
        )
        self._write()

    def _write(self) -> None:
        self._told = time.monotonic()
        jobs = [*self._before, self._job][-KEPT:]
        with suppress(OSError):
            new = self._folder / f"{FILE}.new"
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w") as stream:
                json.dump([asdict(job) for job in jobs], stream)
            new.replace(self._folder / FILE)


@contextmanager
def told_job(folder: Path, source: str, total: int | None, report: "IndexReport") -> Iterator[RunningJob]:
    """A job that is told of from here to its end; only for who holds the gallery's writer lock."""
    with _lock(folder):
        job = RunningJob(folder, source, total, _read(folder, alive=False))
        try:
            yield job
        except BaseException as error:
            job.end(report, "failed" if isinstance(error, Exception) else "interrupted")
            raise
        job.end(report, "finished")


def forget_jobs(folder: Path) -> None:
    """Leave no trace of jobs, as a source may be called by what is erased. Raises GalleryError."""
    try:
        for name in (FILE, f"{FILE}.new"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise GalleryError(
            f"{folder / FILE} cannot be deleted ({error.strerror}): see to the disk, and erase once more."
        ) from error


def read_jobs(folder: Path) -> list[Job]:
    """The jobs of a gallery's folder, the newest first; one whose process is gone counts as interrupted."""
    return _read(folder, _is_locked(folder))[::-1]


def _read(folder: Path, alive: bool) -> list[Job]:
    """The oldest first. Of a file that is missing or cannot be understood none: it is replaced soon."""
    try:
        jobs = [Job(**told) for told in json.loads((folder / FILE).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []
    return [
        replace(job, state="interrupted") if job.state == "running" and not alive else job for job in jobs
    ]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a full disk: onlookers will take the job for interrupted
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _now() -> str:
    return iso(datetime.now(UTC))
