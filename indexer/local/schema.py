"""The tables of the gallery's database, and how an older one is brought up to date.

Each row has a checksum, `crc`: see checksums.py.
"""

import hashlib
import sqlite3
from datetime import UTC, datetime

from indexer.local.checksums import NEVER_FITS, SEALED, enter_checksums
from indexer.local.ledger import key_hash

APPLICATION_ID = 0x43534B54
"""Stands in the file's header ("CSKT"): another program's database is never taken for a gallery."""

SCHEMA_VERSION = 3

SCHEMA = """
CREATE TABLE gallery (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    index_kind TEXT NOT NULL, created_at TEXT NOT NULL,
    salt BLOB NOT NULL,                  -- of the ledger's hashes
    epoch INTEGER NOT NULL DEFAULT 1,    -- rises when ids may stand for other rows or vectors
    -- how often facts of items have changed:
    changes INTEGER NOT NULL DEFAULT 0,
    crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- only ever rises: the order in which rows were acknowledged
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL,
    box TEXT, camera TEXT, seen_at TEXT, track TEXT, attributes TEXT NOT NULL,
    added_at TEXT NOT NULL,
    -- gallery.changes when the facts changed last:
    changed INTEGER NOT NULL DEFAULT 0,
    -- crc32 of its JPEG, NULL where there is none, and of the row up to here (see checksums.py):
    thumbnail_crc INTEGER, crc INTEGER NOT NULL DEFAULT -1);
CREATE INDEX item_changed ON item (changed) WHERE changed > 0;
CREATE TABLE vector (  -- float16, low byte first, and the crc32 of those bytes
    item_id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE thumbnail (item_id INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL,
    crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE removal (  -- the ledger: never shrinks, holds no key in clear
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    removed_at TEXT NOT NULL,
    -- 0: removed; 1: to be erased, traces may be left; 2: erased
    erased INTEGER NOT NULL,
    crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE segment (  -- two files over the items with after < id <= up_to
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    after INTEGER NOT NULL, up_to INTEGER NOT NULL, row_count INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, changed_to INTEGER NOT NULL, removed_to INTEGER NOT NULL,
    rows_file TEXT NOT NULL UNIQUE, rows_sha256 TEXT NOT NULL, rows_bytes INTEGER NOT NULL,
    facts_file TEXT NOT NULL UNIQUE, facts_sha256 TEXT NOT NULL, facts_bytes INTEGER NOT NULL,
    library TEXT NOT NULL, created_at TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE coarse (  -- an approximate index over the items up to up_to
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    up_to INTEGER NOT NULL, row_count INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, removed_to INTEGER NOT NULL,
    kind TEXT NOT NULL, factory TEXT NOT NULL, tuning TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    library TEXT NOT NULL, created_at TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE candidate (  -- the other encoder: the next one, being prepared, or the one before
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    state TEXT NOT NULL, created_at TEXT NOT NULL, crc INTEGER NOT NULL DEFAULT -1);
CREATE TABLE candidate_vector (
    item_id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE retention (  -- how long people are kept; camera '' stands for all that are not named
    camera TEXT PRIMARY KEY, seconds INTEGER NOT NULL, crc INTEGER NOT NULL DEFAULT -1);
"""

REMOVED, TO_ERASE, ERASED = 0, 1, 2
"""What `removal.erased` says."""

NO_ITEM = 0
"""The `item_id` of a removal that concerns no row."""

_FROM_1 = ("gallery", "item", "removal")


def create(connection: sqlite3.Connection) -> None:
    """Make all tables of a new database; inside the caller's transaction."""
    for statement in SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring a database of an older format up to date; inside the caller's transaction.

    The index files of format 1 are no longer known and are made anew.
    """
    if version == 1:
        _upgrade_from_1(connection)
        bare = ["rejected"]
    elif version == 2:
        connection.execute("ALTER TABLE item ADD COLUMN thumbnail_crc INTEGER")
        bare = ["item", *SEALED]
    else:
        return
    for table in bare:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER NOT NULL DEFAULT {NEVER_FITS}")
    enter_checksums(connection)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _upgrade_from_1(connection: sqlite3.Connection) -> None:
    moment, salt = now(), _shared_salt(connection)
    for name in ("item_camera", "item_seen_at", "item_source", "item_track"):
        connection.execute(f"DROP INDEX IF EXISTS {name}")
    for table in _FROM_1:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    connection.execute("DROP TABLE generation")
    for statement in SCHEMA.split(";\n"):
        if not any(f"CREATE TABLE {kept} " in statement for kept in ("vector", "thumbnail", "rejected")):
            connection.execute(statement)
    connection.execute(
        "INSERT INTO gallery (id, encoder, fingerprint, dimension, index_kind, created_at, salt) "
        "SELECT id, encoder, fingerprint, dimension, 'auto', created_at, ? FROM old_gallery",
        [salt],
    )
    columns = "id, key, uri, source, box, camera, seen_at, track, attributes"
    connection.execute(
        f"INSERT INTO item ({columns}, added_at) SELECT {columns}, ? FROM old_item ORDER BY id", [moment]
    )
    removed = connection.execute("SELECT item_id, key, removed_at FROM old_removal ORDER BY id").fetchall()
    connection.executemany(
        "INSERT INTO removal (item_id, key_hash, removed_at, erased) VALUES (?, ?, ?, ?)",
        [(id, key_hash(salt, key), at, TO_ERASE) for id, key, at in removed],  # their keys stood in clear
    )
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'item'")
    connection.execute(
        "UPDATE sqlite_sequence SET name = 'item' WHERE name = 'old_item'"
    )  # no id comes twice
    for table in _FROM_1:
        connection.execute(f"DROP TABLE old_{table}")


def _shared_salt(connection: sqlite3.Connection) -> bytes:
    """A salt that every copy of a gallery of format 1 comes to: each knows whom another has removed."""
    facts = connection.execute("SELECT fingerprint, created_at FROM gallery").fetchone()
    return hashlib.sha256("\n".join(facts).encode()).digest()


def now() -> str:
    """The time of now as it is stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
