"""A gallery of format 2, as cskt wrote it before rows had checksums."""

import sqlite3
from contextlib import closing
from pathlib import Path

from indexer.local.database import connect_writer

FORMAT_2 = """
CREATE TABLE gallery (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    index_kind TEXT NOT NULL, created_at TEXT NOT NULL,
    salt BLOB NOT NULL,                  -- of the ledger's hashes
    epoch INTEGER NOT NULL DEFAULT 1,    -- rises when ids may stand for other rows or vectors
    -- how often facts of items have changed:
    changes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- only ever rises: the order in which rows were acknowledged
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL,
    box TEXT, camera TEXT, seen_at TEXT, track TEXT, attributes TEXT NOT NULL,
    added_at TEXT NOT NULL,
    -- gallery.changes when the facts changed last:
    changed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX item_changed ON item (changed) WHERE changed > 0;
CREATE TABLE vector (  -- float16, low byte first, and the crc32 of those bytes
    item_id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE thumbnail (item_id INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE, uri TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE removal (  -- the ledger: never shrinks, holds no key in clear
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    removed_at TEXT NOT NULL,
    -- 0: removed; 1: to be erased, traces may be left; 2: erased
    erased INTEGER NOT NULL);
CREATE TABLE segment (  -- two files over the items with after < id <= up_to
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    after INTEGER NOT NULL, up_to INTEGER NOT NULL, row_count INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, changed_to INTEGER NOT NULL, removed_to INTEGER NOT NULL,
    rows_file TEXT NOT NULL UNIQUE, rows_sha256 TEXT NOT NULL, rows_bytes INTEGER NOT NULL,
    facts_file TEXT NOT NULL UNIQUE, facts_sha256 TEXT NOT NULL, facts_bytes INTEGER NOT NULL,
    library TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE coarse (  -- an approximate index over the items up to up_to
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    up_to INTEGER NOT NULL, row_count INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, removed_to INTEGER NOT NULL,
    kind TEXT NOT NULL, factory TEXT NOT NULL, tuning TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    library TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE candidate (  -- the other encoder: the next one, being prepared, or the one before
    id INTEGER PRIMARY KEY CHECK (id = 1),
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dimension INTEGER NOT NULL,
    state TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE candidate_vector (
    item_id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE retention (  -- how long people are kept; camera '' stands for all that are not named
    camera TEXT PRIMARY KEY, seconds INTEGER NOT NULL);
"""


def to_format_2(folder):
    """Write the closed gallery in a folder as the cskt of that time did."""
    new, old = Path(folder, "gallery.db"), Path(folder, "gallery.db.new")
    new.rename(old)
    with closing(connect_writer(new)) as connection:
        connection.executescript(FORMAT_2)
        connection.execute("PRAGMA application_id=0x43534B54")
        connection.execute("PRAGMA user_version=2")
        connection.execute("ATTACH ? AS new", [str(old)])
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            listed = ", ".join(columns)
            connection.execute(f"DELETE FROM main.{table}")
            connection.execute(f"INSERT INTO main.{table} ({listed}) SELECT {listed} FROM new.{table}")
        connection.execute("DETACH new")
    old.unlink()
    with closing(sqlite3.connect(new)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
