"""Backups: the whole gallery as one file, made while others write, and put back while others read."""

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from indexer.errors import GalleryBusy, GalleryCorrupt, GalleryError, GalleryFull, GalleryMissing
from indexer.local.database import connect_reader, connect_writer, full_disk, reading, sentences, sync_folder
from indexer.local.folder import DATABASE, prepare_folder
from indexer.local.gallery import LocalGallery
from indexer.local.lock import WriterLock
from indexer.local.replacement import copy_pages, remove_database, replace_database, temporary_database
from indexer.local.restored import knows_later_removals, prepare
from indexer.local.store import Store
from indexer.local.verify import database_problems

_TEMPORARY = ".cskt-backup-"


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds: items, entries of the removal ledger; and its size in bytes."""

    file: Path
    items: int
    removals: int
    size: int


@dataclass(frozen=True)
class RestoreReport:
    """What a gallery holds after a backup was put back.

    removed_again: items of the backup that were removed after it had been made. replaced: whether a gallery
    stood there. indexed: False if another writer came in between, which builds the index files then.
    """

    items: int
    removed_again: int
    replaced: bool
    indexed: bool


def back_up(folder: Path, file: Path, *, force: bool = False) -> BackupReport:
    """Write the gallery into one new file, checked and durable on return; others may go on writing.

    The file is its owner's alone. One that is there is replaced only with `force`. GalleryFull, GalleryError;
    GalleryCorrupt if the gallery itself is damaged.
    """
    with closing(Store(folder)) as store, _new_file(file, folder, force) as temporary:
        items, removals = _copy(store, temporary, file)
        with sentences(file), closing(Store(file.parent, file=temporary)) as copy:
            problems, _ = database_problems(copy)
            if (copy.count("item"), copy.count("removal")) != (items, removals):
                problems.append("the copy holds other items than the gallery.")
        if problems:
            raise GalleryCorrupt(
                f"no backup was made, as the gallery at {folder} is damaged: "
                f"{problems[0].replace(str(temporary), str(store.path))} `cskt gallery verify` says more."
            )
        size = temporary.stat().st_size
    return BackupReport(file, items, removals, size)


def _copy(store: Store, temporary: Path, file: Path) -> tuple[int, int]:
    """Copy one moment of the gallery; returns how many items and removals it has."""
    source = store.new_connection()
    with reading(source, store.path):
        counts = source.execute("SELECT (SELECT count(*) FROM item), (SELECT count(*) FROM removal)")
        items, removals = counts.fetchone()
        with sentences(file), closing(sqlite3.connect(temporary, isolation_level=None)) as target:
            copy_pages(source, target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    return items, removals


@contextmanager
def _new_file(file: Path, gallery: Path, force: bool) -> Iterator[Path]:
    """A temporary name beside the file, which becomes its name when the block has ended well.

    What earlier backups into that folder have left there, because they were killed, is deleted.
    """
    if file.resolve().is_relative_to(gallery.resolve()):
        raise GalleryError(
            f"{file} is inside the gallery: keep backups elsewhere, on another disk if you can."
        )
    if not file.parent.is_dir():
        raise GalleryError(f"cannot write the backup {file}: make its folder {file.parent} first.")
    try:
        _refuse_to_overwrite(file, force)
        _sweep(file.parent)
        with _held(file.parent) as (temporary, handle):
            yield temporary
            os.fsync(handle)
            _refuse_to_overwrite(file, force)
            temporary.rename(file)
        sync_folder(file.parent)
    except OSError as error:
        if full_disk(error):
            raise GalleryFull(f"no room left on the disk for the backup {file}: free some.") from error
        raise GalleryError(f"cannot write the backup {file}: {error.strerror}.") from error


@contextmanager
def _held(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file, its owner's alone, and a handle whose lock tells others that somebody still writes it.

    What is left of it and its journals is gone after. The lock ends with this process, however it ends.
    """
    while True:
        path = folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # a file system without locks: nobody sweeps there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():  # else another backup has swept it away before it was locked
            break
        os.close(handle)
    try:
        yield path, handle
    finally:
        remove_database(path)
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Delete what backups that no longer run have left in a folder."""
    for left in folder.glob(f"{_TEMPORARY}{'[0-9a-f]' * 32}"):
        with suppress(OSError):  # it has just gone, is another user's, or is still being written
            handle = os.open(left, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_database(left)
            finally:
                os.close(handle)


def _refuse_to_overwrite(file: Path, force: bool) -> None:
    if file.is_dir():
        raise GalleryError(f"cannot write the backup {file}: a folder has that name.")
    if file.exists() and not force:
        raise GalleryError(f"{file} exists: give the backup a new name, or --force to replace it.")


def restore(file: Path, folder: Path, ledgers: Sequence[Path] = (), *, force: bool = False) -> RestoreReport:
    """Make the gallery in `folder` what it was when the backup `file` was made, except for who was removed.

    Everybody whom the gallery that stands there, or one of `ledgers` (further backups or galleries of the
    same origin), knows as removed is removed before a search can see the backup. Rules of retention are kept
    as they stand. Readers go on: they see the old or the new gallery, never a mixture.

    GalleryCorrupt for a damaged backup, or a damaged gallery in the folder; GalleryBusy while another
    process writes; GalleryError if the gallery in the folder is another one, and, unless `force`, if it holds
    items that the backup lacks or if nothing knows who was removed since; GalleryFull.
    """
    with ExitStack() as stack:
        backup = stack.enter_context(closing(_opened(file)))
        if problems := database_problems(backup)[0]:
            raise _damaged_backup(file, problems[0])
        others = [stack.enter_context(closing(_opened(path))) for path in ledgers]
        _refuse_strangers(backup, others)
        prepare_folder(folder)
        lock = WriterLock(folder)
        stack.callback(lock.release)
        standing = _standing(folder)
        if standing:
            stack.enter_context(closing(standing))
            _refuse_strangers(backup, [standing])
        if not force:
            _refuse_to_forget(backup, folder, standing, others)
        with temporary_database(folder) as path:
            with sentences(path):
                removed = prepare(backup, path, folder, standing, others)
            replace_database(folder / DATABASE, path)
    sync_folder(folder)
    sync_folder(folder.parent)
    return _built(folder, removed, standing is not None)


def _opened(path: Path) -> Store:
    """The backup, or the gallery, at a path."""
    try:
        if path.is_dir():
            return Store(path)
        if path.is_file():
            return Store(path.parent, file=path)
    except GalleryCorrupt as error:
        raise _damaged_backup(path, str(error)) from error
    raise GalleryError(f"there is no backup at {path}: give the file that `cskt gallery backup` wrote.")


def _damaged_backup(file: Path, what: str) -> GalleryCorrupt:
    return GalleryCorrupt(
        f"{file} is damaged and nothing was restored ({what.rstrip('.')}): use another backup."
    )


def _standing(folder: Path) -> Store | None:
    """The gallery that the folder holds; None for an empty folder, which gets an empty database."""
    path = folder / DATABASE
    try:
        if not path.exists():
            connect_writer(path).close()  # an old log without its database is dropped
        with closing(connect_reader(path)) as connection, sentences(path):
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return None
        return _with_its_ledger(Store(folder))
    except GalleryMissing:
        return None
    except GalleryCorrupt as error:
        raise GalleryCorrupt(
            f"the gallery at {folder} is damaged and cannot say who was removed since the backup was made: "
            f"move {DATABASE} away and restore again, with newer backups as --ledger, so that nobody returns."
        ) from error


def _with_its_ledger(store: Store) -> Store:
    """The store, if every entry of its ledger can be trusted."""
    try:
        store.removed()
    except GalleryCorrupt:
        store.close()
        raise
    return store


def _refuse_strangers(backup: Store, others: Sequence[Store]) -> None:
    """GalleryError unless all were once the same gallery: only then their ledgers speak of the same keys."""
    for other in others:
        if other.salt != backup.salt:
            raise GalleryError(
                f"{backup.path} is a backup of another gallery than {other.path}: restore it into "
                "a new folder."
            )


def _refuse_to_forget(backup: Store, folder: Path, standing: Store | None, ledgers: Sequence[Store]) -> None:
    """GalleryError where items would be lost, or where the removed would come back for want of a ledger."""
    if standing is None:
        if not any(knows_later_removals(one, backup) for one in ledgers):
            raise GalleryError(
                f"nothing at {folder} says who was removed since {backup.path} was made, and they would come "
                "back: name newer backups, or another copy of the gallery, with --ledger; or add --force."
            )
        return
    with closing(connect_reader(standing.path)) as connection, sentences(standing.path):
        connection.execute("ATTACH ? AS backup", [f"file:{quote(str(backup.path))}?mode=ro"])
        missing = "SELECT count(*) FROM item WHERE key NOT IN (SELECT key FROM backup.item)"
        ((lost,),) = connection.execute(missing)
    if lost:
        raise GalleryError(
            f"the gallery at {folder} holds {lost} items that {backup.path} lacks, and would lose them: "
            "restore into a new folder with this gallery as --ledger, or back it up first and add --force."
        )


def _built(folder: Path, removed: int, replaced: bool) -> RestoreReport:
    """Build the index files, and end the erasure of who was erased again."""
    indexed = False
    with suppress(GalleryBusy):
        with closing(LocalGallery(folder, write=True)) as gallery:
            gallery.build_generation()
        indexed = True
    with closing(Store(folder)) as store:
        return RestoreReport(store.count("item"), removed, replaced, indexed)
