"""What a gallery will be after a backup is put back: the backup, without the people removed since.

Everything happens in a database of its own, before a search can see any of it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from indexer.local.checksums import change_gallery
from indexer.local.database import reading, transaction
from indexer.local.derived import DamagedFileError, WrittenFile, check_file
from indexer.local.ledger import key_hash
from indexer.local.removing import ENTER_REMOVAL, TABLES_OF_ITEMS, forget_rejected_beside, removal
from indexer.local.replacement import copy_pages
from indexer.local.schema import ERASED, NO_ITEM, REMOVED, TO_ERASE
from indexer.local.store import Store

Entry = tuple[bytes, str, int]
"""Of a removal: hash of the key, when, whether erased."""


def prepare(backup: Store, path: Path, folder: Path, standing: Store | None, ledgers: Sequence[Store]) -> int:
    """Fill the new database at `path`; returns how many items of the backup were removed again.

    `standing` is the gallery in `folder` that will be replaced. Ids are given out where both have ended, and
    the epoch is above both, so that nobody takes a row for another one.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        source = backup.new_connection()
        with reading(source, backup.path):
            copy_pages(source, connection)
        for setting in ("secure_delete=ON", "journal_mode=MEMORY", "synchronous=OFF"):
            connection.execute(f"PRAGMA {setting}")
        others = [*([standing] if standing else []), *ledgers]
        with transaction(connection, path):
            again = _remove_again(
                connection, backup.salt, [entry for other in others for entry in _ledger(other)]
            )
            _rise_above(connection, [other.moment().epoch for other in others])
            for other in others:
                _go_on_behind(connection, other)
            if standing:
                connection.execute("DELETE FROM retention")
                rules = standing.checked_rows("retention")
                connection.executemany("INSERT INTO retention VALUES (?, ?, ?)", rules)
            _forget_missing_files(connection, folder)
    return again


def knows_later_removals(ledger: Store, backup: Store) -> bool:
    """Whether a ledger can know who was removed after the backup was made.

    It must not be older by any count that only rises. One that has come just as far may be the living
    gallery, to which nothing happened since; another backup would be no more than a copy of this one.
    """
    then, now = _progress(backup), _progress(ledger)
    if ledger.path.samefile(backup.path) or any(late < early for late, early in zip(now, then, strict=True)):
        return False
    return now != then or ledger.row("PRAGMA journal_mode") == ("wal",)


def _progress(store: Store) -> list[tuple[int, ...]]:
    """The epoch and how many facts changed in it, and how many items and removals there ever were."""
    with store.one_moment():
        moment = store.moment()
        given = dict(store.rows("SELECT name, seq FROM sqlite_sequence"))
    return [(moment.epoch, moment.changes), (given.get("item", 0),), (given.get("removal", 0),)]


def _ledger(store: Store) -> list[Entry]:
    store.checked_rows("removal")
    return store.rows("SELECT key_hash, removed_at, erased FROM removal ORDER BY id")


def _remove_again(connection: sqlite3.Connection, salt: bytes, entries: Iterable[Entry]) -> int:
    """Enter these removals where they are not known, and carry them out; returns how many items it were."""
    before = dict(connection.execute("SELECT key_hash, erased FROM removal"))
    known = dict(before)
    missing: dict[bytes, Entry] = {}
    for entry in entries:
        digest, _, erased = entry
        if erased > known.get(digest, -1):
            known[digest], missing[digest] = erased, entry
    ids = _found(connection, "item", salt, missing)
    rejected = _found(connection, "rejected", salt, missing)
    forgotten = [digest for digest, (*_, erased) in missing.items() if erased != REMOVED]
    forget_rejected_beside(connection, [ids[digest] for digest in forgotten if digest in ids])
    _delete(connection, "rejected", "id", [rejected[digest] for digest in forgotten if digest in rejected])
    for table, column in (("item", "id"), *((table, "item_id") for table in TABLES_OF_ITEMS)):
        _delete(connection, table, column, ids.values())
    for digest, at, erased in missing.values():
        traces = erased == TO_ERASE or digest in ids or digest in rejected or digest in before
        state = REMOVED if erased == REMOVED else TO_ERASE if traces else ERASED
        connection.execute(
            f"{ENTER_REMOVAL} ON CONFLICT (key_hash) DO UPDATE SET erased = excluded.erased",
            removal(ids.get(digest, NO_ITEM), digest, at, state),
        )
    return len(ids)


def _found(
    connection: sqlite3.Connection, table: str, salt: bytes, wanted: dict[bytes, Entry]
) -> dict[bytes, int]:
    """The ids of the rows whose keys have these hashes."""
    if not wanted:
        return {}
    hashed = ((key_hash(salt, key), id) for id, key in connection.execute(f"SELECT id, key FROM {table}"))
    return {digest: id for digest, id in hashed if digest in wanted}


def _delete(connection: sqlite3.Connection, table: str, column: str, ids: Iterable[int]) -> None:
    connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(id,) for id in ids])


def _rise_above(connection: sqlite3.Connection, epochs: Iterable[int]) -> None:
    change_gallery(connection, "epoch = max(epoch, ?) + 1", [max(epochs, default=0)])


def _go_on_behind(connection: sqlite3.Connection, other: Store) -> None:
    """Give out no number that the other one has given out."""
    for table, last in other.rows("SELECT name, seq FROM sqlite_sequence"):
        done = connection.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [last, table]
        )
        if not done.rowcount:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, last])


def _forget_missing_files(connection: sqlite3.Connection, folder: Path) -> None:
    """Drop the rows of index files that are no longer in the folder as they were."""
    files = {
        "segment": ("rows_file, rows_sha256, rows_bytes", "facts_file, facts_sha256, facts_bytes"),
        "coarse": ("file, sha256, bytes",),
    }
    for table, columns in files.items():
        for triple in columns:
            for id, *facts in connection.execute(f"SELECT id, {triple} FROM {table}").fetchall():
                try:
                    check_file(folder, WrittenFile(*facts))
                except DamagedFileError:
                    connection.execute(f"DELETE FROM {table} WHERE id = ?", [id])
