"""Who is let in: only as many as can be answered by their deadlines, so that all who are in get answers.

The whole path counts, encoding and searching and writing down, by what leaves it per second while enough are
inside to keep it busy. A queue bounded by number would be too long on a slow machine and too short on a quick
one; bounded by time it is right on both.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import Overloaded

BUSY = 4.0
"""With so much inside, the path is never idle and what leaves it is what it can do."""
ALWAYS = 2 * BUSY
"""So much is let in whatever was learnt: a path that was slow for a while is tried again."""
SHARE = 0.6
"""Of the time until the deadline that waiting may take; the rest is for what takes longer than usual."""
TOO_MUCH = "More is asked than can be answered in time; try again in a moment."
_WINDOW = 0.2
_LEARNT = 0.3


@dataclass(frozen=True)
class Pass:
    """Seconds that a request has, and what was let in for it already."""

    seconds: float
    cost: float = 0.0


class Admission:
    """Counts what is inside, in units of one text; `clock` in seconds. Used by the event loop only."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        if most < 1:
            raise ValueError("most must be at least 1")
        self._most, self._clock = most, clock
        self._inside = self._done = self._busy = 0.0
        self._last, self._rate = clock(), 0.0

    @property
    def inside(self) -> float:
        """What was let in and has not left."""
        return self._inside

    def begin(self, seconds: float) -> None:
        """What one query took on an idle service: all that is known before it was ever busy."""
        self._rate = max(self._rate, 1 / max(seconds, 1e-4))

    def refusal(self, budget: float, cost: float = 1.0, own: float = 0.0) -> Overloaded | None:
        """Why `cost` more is not let in, if it cannot be answered within `budget` seconds.

        `own`: what was let in for the same request already. One that is inside alone is tried: trying again
        in a moment would not help it, and of a path that nobody uses nothing is learnt.
        """
        inside = self._inside + cost
        if inside > self._most:
            return _refusal(inside / self._rate if self._rate else budget)
        if inside <= ALWAYS or self._inside <= own:
            return None
        wait = inside / self._rate if self._rate else 0.0
        return _refusal(wait) if wait > SHARE * budget else None

    def enter(self, budget: float, cost: float = 1.0, own: float = 0.0) -> None:
        """Let in; `leave` must follow. Raises Overloaded."""
        refusal = self.refusal(budget, cost, own)
        if refusal is not None:
            raise refusal
        self._pass_time()
        self._inside += cost

    def leave(self, cost: float = 1.0, *, answered: bool) -> None:
        """Out again; `answered` when it went all the way."""
        self._pass_time()
        self._inside = max(0.0, self._inside - cost)
        if answered and self._busy > 0:
            self._done += cost
        if self._busy >= _WINDOW:
            rate = self._done / self._busy
            self._rate += _LEARNT * (rate - self._rate) if self._rate else rate
            self._busy = self._done = 0.0

    def _pass_time(self) -> None:
        now = self._clock()
        if self._inside >= BUSY:
            self._busy += now - self._last
        else:
            self._busy = self._done = 0.0
        self._last = now


def _refusal(wait: float) -> Overloaded:
    refusal = Overloaded(TOO_MUCH)
    refusal.retry_after = max(1, math.ceil(wait)) + random.randint(0, 1)  # not all at once again
    return refusal
