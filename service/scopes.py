"""Who a caller may be: what a key is good for, and which cameras it may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Scope(StrEnum):
    """What a key may be good for."""

    SEARCH = "search"
    INDEX = "index"
    ERASE = "erase"
    AUDIT = "audit"
    ADMIN = "admin"
    METRICS = "metrics"


@dataclass(frozen=True)
class Caller:
    """Who asks: the public id and the name of a key, what it is good for, and which cameras it may see.

    `cameras` None: all of them.
    """

    key: str
    name: str
    scopes: frozenset[Scope]
    cameras: frozenset[str] | None = None

    def within(self, cameras: Sequence[str] | None) -> "Caller":
        """The same caller, who sees no other cameras than these either; None: no limit."""
        if cameras is None:
            return self
        mine = frozenset(cameras)
        return replace(self, cameras=mine if self.cameras is None else mine & self.cameras)


ANYONE = Caller("", "nobody", frozenset())
"""Who shows no key."""

LOCAL = Caller("", "this machine", frozenset(Scope))
"""Whoever reaches a service that runs without keys."""

APART = (
    (Scope.ADMIN, Scope.SEARCH, "who gives out keys does not search"),
    (Scope.SEARCH, Scope.ERASE, "who searches does not erase"),
    (Scope.SEARCH, Scope.AUDIT, "who reads what others decided does not decide"),
)
"""Scopes that one key may not have together in the profile casework, and why."""
