"""The vectors of another encoder beside the living ones: prepared, switched to in one step, kept to go back.

The two never meet: each has its own table, and each segment belongs to one encoder. Switching renames tables.
"""

import sqlite3
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from indexer.errors import GalleryError
from indexer.local.checked_rows import Crop, crops
from indexer.local.checksums import SEALED, change_gallery, sealed
from indexer.local.schema import now
from indexer.local.store import Store

NEXT, PREVIOUS = "next", "previous"


def state(store: Store) -> tuple[str, str, str] | None:
    """Name, fingerprint and state (`next` or `previous`) of the other encoder; None if there is none."""
    for encoder, fingerprint, _, state, *_ in store.checked_rows("candidate"):
        return encoder, fingerprint, state
    return None


def crops_without(store: Store, count: int) -> list[Crop]:
    """The next items that have no vector of the other encoder, ascending. GalleryCorrupt."""
    latest = "(SELECT coalesce(max(item_id), 0) FROM candidate_vector)"
    return crops(store, f"item.id > {latest} ORDER BY item.id LIMIT ?", [count])


def begin(connection: sqlite3.Connection, encoder: str, fingerprint: str, dimension: int) -> None:
    """Make room for an encoder's vectors, unless that is done; GalleryError if another has it."""
    found = connection.execute("SELECT encoder, fingerprint FROM candidate").fetchone()
    if found is None:
        facts = sealed(encoder, fingerprint, dimension, NEXT, now())
        connection.execute("INSERT INTO candidate VALUES (1, ?, ?, ?, ?, ?, ?)", facts)
    elif found[1] != fingerprint:
        raise GalleryError(
            f"the gallery still keeps the vectors of the encoder {found[0]} ({found[1][:12]}): drop them "
            "with `cskt gallery migrate --discard` first."
        )


def add(
    connection: sqlite3.Connection, fingerprint: str, ids: Sequence[int], vectors: npt.NDArray[np.float32]
) -> None:
    """Store the vectors (n, dimension) of items, but not of those that were removed meanwhile.

    GalleryError if the other encoder is no longer the one with this fingerprint.
    """
    _check(connection, fingerprint)
    values = [row.tobytes() for row in vectors.astype("<f2")]
    connection.executemany(
        "INSERT OR IGNORE INTO candidate_vector SELECT id, ?2, ?3 FROM item WHERE id = ?1",
        [(id, value, zlib.crc32(value)) for id, value in zip(ids, values, strict=True)],
    )


def _check(connection: sqlite3.Connection, fingerprint: str) -> None:
    if connection.execute("SELECT fingerprint FROM candidate").fetchone() != (fingerprint,):
        raise GalleryError(
            "another process has switched or discarded the vectors that are being prepared: see by `cskt "
            "gallery info` which encoder the gallery has now, and start again if you want another."
        )


def switch(connection: sqlite3.Connection, fingerprint: str) -> None:
    """Let the other encoder, which must be this one, live and keep the living one as the previous.

    GalleryError unless every item has its vector.
    """
    _check(connection, fingerprint)
    missing = "SELECT count(*) FROM item WHERE id NOT IN (SELECT item_id FROM candidate_vector)"
    (count,) = connection.execute(missing).fetchone()
    if count:
        raise GalleryError(f"{count} items have no vector of the other encoder yet: run the migration again.")
    living = connection.execute("SELECT encoder, fingerprint, dimension FROM gallery").fetchone()
    change_gallery(
        connection,
        "epoch = epoch + 1, (encoder, fingerprint, dimension) = "
        "(SELECT encoder, fingerprint, dimension FROM candidate)",
    )
    connection.execute(
        f"UPDATE candidate SET ({SEALED['candidate']}, crc) = (?, ?, ?, ?, ?, ?)",
        sealed(*living, PREVIOUS, now()),
    )
    connection.execute("ALTER TABLE vector RENAME TO switched_vector")
    connection.execute("ALTER TABLE candidate_vector RENAME TO vector")
    connection.execute("ALTER TABLE switched_vector RENAME TO candidate_vector")


def discard(connection: sqlite3.Connection) -> None:
    """Forget the other encoder, its vectors and its segments."""
    for table in ("segment", "coarse"):
        connection.execute(f"DELETE FROM {table} WHERE fingerprint IN (SELECT fingerprint FROM candidate)")
    connection.execute("DELETE FROM candidate_vector")
    connection.execute("DELETE FROM candidate")
