"""The gallery's database file: its connections, and its failures as sentences.

SQLite in WAL mode with synchronous=FULL: what was committed survives a power cut, and readers never wait.
`secure_delete` overwrites what is removed.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from indexer.errors import GalleryBusy, GalleryCorrupt, GalleryError, GalleryFull, GalleryMissing

PAGE_BYTES = 16_384
Value = TypeVar("Value")
_WAIT_SECONDS = 20.0
_SIGNS_OF_A_FULL_DISK = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_VALUES_PER_QUERY = 500
_LOG_BYTES, _CACHE_BYTES = 67_108_864, 67_108_864
_LEAST_ROOM = 131_072
"""SQLite needs some pages beside the database; without room for them it reports no full disk, but these."""


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. It may be closed from another thread."""
    with sentences(path):
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_WAIT_SECONDS,
        )
        connection.execute("PRAGMA trusted_schema=OFF")  # a backup may come from anywhere
        return connection


def connect_writer(path: Path) -> sqlite3.Connection:
    """A durable connection; creates the file, its owner's alone and without tables, where there is none."""
    with suppress(OSError):  # it is there, or SQLite says why it cannot be made
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with sentences(path):
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=_WAIT_SECONDS
        )
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            _use_write_ahead_log(connection, path)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
            connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_BYTES // PAGE_BYTES}")
            connection.execute(f"PRAGMA cache_size={-_CACHE_BYTES // 1024}")
            _try_to_write(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    """Where the disk fails or the file system cannot, SQLite silently stays with a less durable way."""
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise GalleryError(
            f"cannot keep a write-ahead log for {path} (SQLite stays in mode {mode}): try again; if that "
            "does not help, check the disk, or put the gallery on a local one."
        )


def _try_to_write(connection: sqlite3.Connection) -> None:
    """Where a file cannot be opened for writing, SQLite silently opens it for reading only."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE writable (x)")
    connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """All or nothing, durable when the block has ended; the errors are sentences."""
    with sentences(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """Turn what SQLite reports about the file into the gallery's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes the damaged page in its message
        raise damaged(path, "its tables cannot be read") from error


@contextmanager
def reading(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Everything read inside shows one moment of the database; inside another such block, that one's."""
    if connection.in_transaction:
        yield
        return
    with sentences(path):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            _end(connection)


def _end(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # an error of the disk has ended it already
        connection.execute("COMMIT")


@contextmanager
def impatient(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Inside, nothing waits for others that hold the database."""
    with sentences(path):
        connection.execute("PRAGMA busy_timeout=0")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA busy_timeout={round(1000 * _WAIT_SECONDS)}")


def marks(values: Sequence[object]) -> str:
    """A question mark for each value, for a list in a query."""
    return ", ".join("?" * len(values))


def in_chunks(values: Iterable[Value]) -> Iterator[list[Value]]:
    """The values, so many at a time that a query can hold them."""
    iterator = iter(values)
    while chunk := list(islice(iterator, _VALUES_PER_QUERY)):
        yield chunk


def full_disk(error: OSError) -> bool:
    """Whether the error says that there is no room left, on the disk or in a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sync_folder(folder: Path) -> None:
    """Make new and renamed names in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: sqlite3.Error, path: Path) -> GalleryError:
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if extended == sqlite3.SQLITE_READONLY_ROLLBACK:  # only the very first write goes by a rollback journal
        return GalleryMissing(f"the gallery at {path.parent} was never finished: run `cskt index` again.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "Could not decode" in str(error):
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code in _SIGNS_OF_A_FULL_DISK and _no_room(path)):
        return GalleryFull(
            f"no room left on the disk of {path}: free some and run the same command again; "
            "everything acknowledged before is safe."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return GalleryBusy(f"another process holds {path}: try again when it has finished.")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH):
        return GalleryError(f"cannot open {path} ({error}): check its permissions and those of its folder.")
    return GalleryError(f"cannot use {path}: {error}.")


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LEAST_ROOM
    except OSError:
        return False


def damaged(path: Path, what: str) -> GalleryCorrupt:
    """The error for a database that cannot be trusted: names the file and the remedy."""
    return GalleryCorrupt(
        f"the gallery's database {path} is damaged ({what}): restore a backup by `cskt gallery restore`, "
        "or index the sources again into a new gallery."
    )


def damaged_item(path: Path, id: int, what: str) -> GalleryCorrupt:
    """The error for a database of which one item cannot be trusted: names the file and the remedies."""
    return GalleryCorrupt(
        f"the gallery's database {path} is damaged ({what}): restore a backup by `cskt gallery restore`, "
        f"or remove that item for good with `cskt remove --id {id}`."
    )
