"""Sessions of browsers: a key is typed once, a cookie stands for it afterwards.

Kept in memory as hashes, so that who reads the memory of a browser finds no key, and a restart ends them all.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

COOKIE = "cskt_session"
HOURS = 12
MOST, MOST_OF_A_KEY = 1000, 50


@dataclass(frozen=True)
class Session:
    """Whose it is (id of a key), for which case and why, and when it ends (seconds of the clock)."""

    key: str
    case: str
    purpose: str
    ends: float


class Sessions:
    """Used by the event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}

    def begin(self, key: str, case: str, purpose: str) -> str:
        """A new session; returns what the cookie holds. Of too many of a key, or in all, the oldest ends."""
        token = secrets.token_urlsafe(32)
        its_own = [hashed for hashed, session in self._open.items() if session.key == key]
        if len(its_own) >= MOST_OF_A_KEY:
            del self._open[its_own[0]]
        elif len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        self._open[_hash(token)] = Session(key, case, purpose, self._clock() + HOURS * 3600)
        return token

    def find(self, token: str) -> Session | None:
        """The session of a cookie, unless it has ended."""
        session = self._open.get(_hash(token))
        if session is None or self._clock() >= session.ends:
            self.end(token)
            return None
        return session

    def change(self, token: str, case: str, purpose: str) -> None:
        """From now on an open session is for this case."""
        hashed = _hash(token)
        self._open[hashed] = replace(self._open[hashed], case=case, purpose=purpose)

    def end(self, token: str) -> None:
        """Sign out."""
        self._open.pop(_hash(token), None)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
