"""API keys: random, kept as hashes only, shown once, with scopes, cameras and an end.

`keys.db` in the state folder is read and written by commands and services at once; a service notices a
change within a second.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.errors import CsktError
from service.scopes import APART, Caller, Scope
from service.settings import Settings
from service.state_file import StateFile

FILE = "keys.db"
PREFIX = "cskt"
SECRET_BYTES = 32

_TABLE = """CREATE TABLE IF NOT EXISTS key (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, scopes TEXT NOT NULL, cameras TEXT,
    created TEXT NOT NULL, expires TEXT, revoked TEXT) STRICT"""


class KeyProblem(CsktError):
    """A key cannot be made, found or read; the sentence says why."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; times are ISO 8601 in UTC, None: never."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    cameras: tuple[str, ...] | None
    created: str
    expires: str | None
    revoked: str | None

    def good(self, now: str) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    @property
    def caller(self) -> Caller:
        """Who shows it."""
        cameras = None if self.cameras is None else frozenset(self.cameras)
        return Caller(self.id, self.name, frozenset(self.scopes), cameras)


def now() -> str:
    """This moment as keys write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class KeyStore:
    """The keys of one state folder. Raises KeyProblem where they cannot be kept or read."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = StateFile(folder / FILE, _TABLE, KeyProblem, clock)
        self._known: dict[str, tuple[Key, bytes]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        cameras: Sequence[str] | None = None,
        expires: str | None = None,
        *,
        casework: bool = False,
    ) -> tuple[Key, str]:
        """A new key and its text, which nobody can learn again. Raises KeyProblem."""
        if not scopes:
            raise KeyProblem(f"a key needs scopes: {', '.join(Scope)}.")
        if Scope.AUDIT in scopes and cameras:
            raise KeyProblem("the audit log is about all cameras: make a key for it without --cameras.")
        if casework:
            check_apart(scopes)
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
        key = Key(id, name, tuple(scopes), tuple(cameras) if cameras else None, now(), expires, None)
        row = (
            *(id, name, _hash(secret), json.dumps(key.scopes)),
            *(json.dumps(key.cameras) if key.cameras else None, key.created, expires),
        )
        self._file.write(
            "INSERT INTO key (id, name, hash, scopes, cameras, created, expires) VALUES (?,?,?,?,?,?,?)",
            row,
        )
        return key, f"{PREFIX}_{id}_{secret}"

    def revoke(self, id: str) -> Key:
        """Make a key good for nothing. Raises KeyProblem when there is none."""
        self._file.write("UPDATE key SET revoked = coalesce(revoked, ?) WHERE id = ?", (now(), id))
        for key in self.all():
            if key.id == id:
                return key
        raise KeyProblem(f"there is no key {id}: cskt key list shows those there are.")

    def all(self) -> list[Key]:
        """All of them, revoked ones too, the oldest first."""
        return [key for key, _ in self._read()]

    def any(self) -> bool:
        """Whether a key was ever made: then the service asks for one."""
        return bool(self._current())

    def caller(self, text: str) -> Caller | None:
        """Who shows this key, or None when it is good for nothing."""
        prefix, _, rest = text.partition("_")
        id, _, secret = rest.partition("_")
        known = self._current().get(id) if prefix == PREFIX else None
        given = _hash(secret)
        expected = known[1] if known is not None else bytes(len(given))  # as much work for unknown ids
        if not hmac.compare_digest(given, expected) or known is None or not known[0].good(now()):
            return None
        return known[0].caller

    def caller_of(self, id: str) -> Caller | None:
        """Who has this key, or None when it is good for nothing (any more)."""
        known = self._current().get(id)
        return known[0].caller if known is not None and known[0].good(now()) else None

    def _current(self) -> dict[str, tuple[Key, bytes]]:
        """The keys by id, read again when another process may have changed them."""
        if self._file.may_have_changed():
            self._known = {key.id: (key, hash) for key, hash in self._read()}
        return self._known

    def _read(self) -> list[tuple[Key, bytes]]:
        columns = "id, name, scopes, cameras, created, expires, revoked, hash"
        rows = self._file.read(f"SELECT {columns} FROM key ORDER BY created, rowid")
        with self._file.sentences():
            return [(_key(row), row[7]) for row in rows]


def _key(row: tuple[Any, ...]) -> Key:
    scopes = tuple(Scope(name) for name in json.loads(row[2]))
    return Key(row[0], row[1], scopes, tuple(json.loads(row[3])) if row[3] else None, *row[4:7])


def open_keys(settings: Settings) -> KeyStore | None:
    """The keys of a service; None for an app without a gallery of its own. Raises KeyProblem."""
    return KeyStore(settings.state_folder) if settings.gallery or settings.state else None


def keys_there(settings: Settings) -> list[Key]:
    """The keys that a service has, without making a place for them. Raises KeyProblem."""
    if not (settings.state_folder / FILE).exists():
        return []
    store = KeyStore(settings.state_folder)
    try:
        return store.all()
    finally:
        store.close()


def check_apart(scopes: Sequence[Scope] | frozenset[Scope]) -> None:
    """KeyProblem when casework keeps two of these scopes apart."""
    for one, other, why in APART:
        if one in scopes and other in scopes:
            raise KeyProblem(f"in casework no key has both {one} and {other}: {why}.")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
