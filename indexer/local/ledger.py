"""The removal ledger's hashes: a removed key is recognised, but cannot be read out of the ledger."""

import hashlib

SALT_BYTES = 32


def key_hash(salt: bytes, key: str) -> bytes:
    """Keyed BLAKE2b (32 bytes) of an item's key; `salt` is the gallery's secret."""
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), key=salt, digest_size=32).digest()
