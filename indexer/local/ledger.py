"""The removal ledger's hashes: a removed key is recognised, but cannot be read out of the ledger."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.local.database import in_chunks, marks
from indexer.texts import storable

if TYPE_CHECKING:
    from indexer.local.store import Store

SALT_BYTES = 32


def key_hash(salt: bytes, key: str) -> bytes:
    """Keyed BLAKE2b (32 bytes) of an item's key; `salt` is the gallery's secret."""
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), key=salt, digest_size=32).digest()


def removed_keys(store: "Store", keys: Sequence[str]) -> set[str]:
    """Those of the keys whose items were removed for good."""
    if not store.row("SELECT EXISTS (SELECT 1 FROM removal)")[0]:
        return set()
    hashes = {key_hash(store.salt, storable(key)): key for key in keys}
    found: set[str] = set()
    for chunk in in_chunks(hashes):
        query = f"SELECT key_hash FROM removal WHERE key_hash IN ({marks(chunk)})"
        found.update(hashes[digest] for (digest,) in store.rows(query, chunk))
    return found
