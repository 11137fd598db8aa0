"""How often a key and an address may ask: token buckets in bounded memory."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KNOWN = 10_000
"""Buckets kept; of those longest unused the oldest is forgotten, which fills it again."""


_ROUNDING = 1e-9


class RateLimit:
    """`per_minute` requests on average and as many at once, for each name; 0 is no limit. Not thread-safe."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> int:
        """0 if it may, else after how many seconds it may again."""
        if not self._most:
            return 0
        left = self._left(name)
        if left < 1 - _ROUNDING:
            return max(1, math.ceil((1 - left) * 60 / self._most))
        self._put(name, left - 1)
        return 0

    def _left(self, name: str) -> float:
        moment = self._clock()
        tokens, since = self._buckets.get(name, (float(self._most), moment))
        return min(float(self._most), tokens + (moment - since) * self._most / 60)

    def _put(self, name: str, tokens: float) -> None:
        self._buckets[name] = (tokens, self._clock())
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_KNOWN:
            self._buckets.popitem(last=False)
