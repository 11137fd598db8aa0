"""Our own safeties, taken away one at a time: each must be missed by a test, or that test proves nothing.

A mutant patches functions of the gallery's code inside a worker, which was started with its name. `caught_by`
names the check of test_mutants.py that must find something.
"""

import hashlib
import itertools
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.local import (
    building,
    catalogue,
    checked_rows,
    database,
    derived,
    lock,
    segments,
    snapshot,
    store,
    verify,
    writer,
)


@dataclass(frozen=True)
class Mutant:
    """What is taken away, and which check must notice."""

    apply: Callable[[], None]
    caught_by: str


MUTANTS = {}


def mutant(caught_by):
    """Register a function that takes a safety away, under its name."""

    def register(apply):
        MUTANTS[apply.__name__] = Mutant(apply, caught_by)
        return apply

    return register


def _nothing(*_, **__):
    return None


def _with_pragma(pragma):
    """Every writing connection gets another setting."""
    real = writer.connect_writer

    def connect(path):
        connection = real(path)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    writer.connect_writer = connect


@mutant("cuts")
def files_are_not_synced():
    derived.CheckedFile.finish = lambda file: file._hash.hexdigest()


@mutant("cuts")
def folder_of_files_is_not_synced():
    derived.sync_folder = _nothing


@mutant("cuts")
def folder_of_the_gallery_is_not_synced():
    writer.make_durable = _nothing


@mutant("cuts")
def commits_are_synced_at_checkpoints_only():
    _with_pragma("synchronous=NORMAL")


@mutant("cuts")
def commits_are_not_synced():
    _with_pragma("synchronous=OFF")


@mutant("cuts after a failed sync")
def the_answer_about_the_journal_is_not_read():
    """SQLite tells only then that it stays with a journal whose deletion is not synced."""
    database._use_write_ahead_log = lambda connection, _: connection.execute("PRAGMA journal_mode=WAL")


@mutant("cuts")
def rows_enter_before_their_files():
    """The files of a segment are written when its row has been entered."""
    waiting, tidy = [], building.tidy

    def promise(folder, content):
        files = []
        for suffix, write in ((".rows", content.index.write), (".facts", content.facts.write)):
            sink = derived.CheckedFile.__new__(derived.CheckedFile)
            sink._hash, sink.size, sink.parts = hashlib.sha256(), 0, []
            sink.write = lambda data, sink=sink: (sink.parts.append(bytes(data)), len(data))[1]
            write(sink)
            data = b"".join(sink.parts)
            files.append(
                derived.WrittenFile(
                    f"{os.urandom(16).hex()}{suffix}", hashlib.sha256(data).hexdigest(), len(data)
                )
            )
            waiting.append((folder / derived.FOLDER / files[-1].name, data))
        return tuple(files)

    def keep_promises(*arguments):
        while waiting:
            path, data = waiting.pop()
            path.parent.mkdir(exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT)
            os.write(handle, data)
            os.fsync(handle)
            os.close(handle)
            database.sync_folder(path.parent)
        tidy(*arguments)

    building.write_segment, building.tidy = promise, keep_promises


@mutant("cuts")
def files_are_deleted_before_their_rows():
    def forget(connection, covered, fingerprint):
        ((_, _, path),) = connection.execute("PRAGMA database_list")
        query = "SELECT rows_file, facts_file FROM segment WHERE fingerprint = ? AND after < ? AND up_to > ?"
        for name in itertools.chain(*connection.execute(query, [fingerprint, covered[1], covered[0]])):
            Path(path).parent.joinpath(derived.FOLDER, name).unlink(missing_ok=True)
        database.sync_folder(Path(path).parent / derived.FOLDER)
        catalogue.forget_segments_within(connection, covered, fingerprint)

    building.catalogue = _Without(catalogue, forget_segments_within=forget)


@mutant("cuts")
def batches_are_stored_in_two_halves():
    real = writer.Writer.add

    def add(self, dimension, items, rejected):
        half = len(items) // 2
        return real(self, dimension, items[:half], rejected) + real(self, dimension, items[half:], ())

    writer.Writer.add = add


@mutant("kills")
def acknowledged_before_the_commit():
    """What a transaction did is committed by the next one."""

    @contextmanager
    def transaction(connection, path):
        with database.sentences(path):
            if connection.in_transaction:
                connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    writer.transaction = transaction


@mutant("calls")
def short_writes_are_not_continued():
    def write(file, data):
        view = memoryview(data)
        file._hash.update(view)
        os.write(file._file, view)
        file.size += len(data)
        return len(data)

    derived.CheckedFile.write = write


@mutant("calls")
def failed_writes_are_not_reported():
    real = derived.CheckedFile.write

    def write(file, data):
        try:
            return real(file, data)
        except OSError:
            return len(data)

    derived.CheckedFile.write = write


@mutant("damage")
def checksums_are_not_compared():
    def read(gallery, file):
        try:
            data = np.fromfile(gallery / derived.FOLDER / file.name, np.uint8)
        except OSError as error:
            raise derived.DamagedFileError(str(error)) from error
        if len(data) != file.size:
            raise derived.DamagedFileError(f"{file.name} has another size")
        return data

    segments.read_file = read
    building.check_file = verify.check_file = _nothing


@mutant("damage")
def damaged_files_are_not_replaced():
    building.damaged_segments = lambda *_: frozenset()


@mutant("damaged rows")
def checksums_of_facts_are_not_compared():
    checked_rows.fits = lambda _: True


@mutant("damaged rows")
def checksums_of_thumbnails_are_not_compared():
    checked_rows._fits_picture = lambda *_: True


@mutant("damaged rows")
def checksums_of_other_rows_are_not_compared():
    store.fits = lambda _: True


@mutant("walks")
def nobody_holds_the_lock():
    lock.fcntl.flock = _nothing


@mutant("walks")
def fresh_rows_are_not_searched():
    snapshot._from_database = lambda *_: iter(())


@mutant("walks")
def removed_rows_are_not_masked():
    real = snapshot._at_moment
    snapshot._at_moment = lambda part, moment, removed, changed: real(part, moment, removed[:0], changed)


@mutant("walks")
def changed_facts_are_not_taken_up():
    real = snapshot._at_moment
    snapshot._at_moment = lambda part, moment, removed, changed: real(part, moment, removed, [])


@mutant("walks")
def the_ledger_is_not_asked():
    def stored(connection, keys):
        query = f"SELECT key FROM item WHERE key IN ({database.marks(keys)})"
        return {key for (key,) in connection.execute(query, keys)}

    writer._stored_or_removed = stored


@mutant("walks")
def the_log_is_not_emptied_after_erasing():
    writer.Writer.empty_log = _nothing


@mutant("walks")
def an_erasure_does_not_write_the_database_anew():
    _with_pragma("secure_delete=OFF")
    writer.Writer.rewrite = _nothing


@mutant("walks")
def erased_rows_stay_in_their_segments():
    building.catalogue = _Without(catalogue, stale_segments=lambda *_, **__: set())


class _Without:
    """A module with some of its functions replaced."""

    def __init__(self, module, **replaced):
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self._module, name)
