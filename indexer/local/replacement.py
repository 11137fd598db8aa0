"""The whole database replaced by another one in a single transaction, while others go on reading it.

SQLite's backup API writes the pages into the write-ahead log of the living database: readers see all of the
old or all of the new, and a process that is killed half-way has changed nothing.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from indexer.errors import GalleryError, GalleryFull
from indexer.local.database import connect_writer, full_disk, sentences
from indexer.local.derived import FOLDER, TEMPORARY

_PAGES_AT_ONCE = 4096
_JOURNALS = ("-journal", "-wal", "-shm")


@contextmanager
def temporary_database(folder: Path) -> Iterator[Path]:
    """The name of a new database beside the index files, its owner's alone; gone with its journals after.

    One that a killed process leaves is swept away by the next writer.
    """
    place = folder / FOLDER
    path = place / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if full_disk(error):
            raise GalleryFull(f"no room left on the disk of {place}: free some.") from error
        raise GalleryError(f"cannot write into {place}: {error.strerror}.") from error
    try:
        yield path
    finally:
        with suppress(OSError):  # the next writer deletes what is left
            remove_database(path)


def remove_database(path: Path) -> None:
    """Delete a database file and what SQLite keeps beside it."""
    for name in (path.name, *(path.name + ending for ending in _JOURNALS)):
        path.with_name(name).unlink(missing_ok=True)


def copy_pages(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Make the target's database the same as the source's, in one transaction of the target.

    The source must not change meanwhile: only its caller writes it, or it stands in a read transaction.
    """
    source.backup(target, pages=_PAGES_AT_ONCE, progress=_let_signals_in)


def _let_signals_in(status: int, left: int, pages: int) -> None:
    """Between two steps Python looks whether the user has interrupted it."""


def replace_database(living: Path, by: Path) -> None:
    """Put the content of the database file `by` into the living database, whose lock the caller holds."""
    with (
        sentences(living),
        closing(connect_writer(living)) as target,
        closing(sqlite3.connect(by, isolation_level=None)) as source,
    ):
        copy_pages(source, target)
