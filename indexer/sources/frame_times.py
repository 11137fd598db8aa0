"""When a frame is shown, from stamps that may be missing, leap, fall back or begin anywhere."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Frame = TypeVar("Frame")
LEAP = 10.0
"""Seconds without a frame that are believed only if the next frame confirms them."""

JITTER = 1.0
"""Seconds that stamps may fall back without the clock having been set anew."""

LONGEST = 31 * 86_400.0


def frame_seconds(
    frames: Iterable[tuple[float | None, Frame]],
    beginning: float | None,
    frame_time: float,
    note: Callable[[str], None],
) -> Iterator[tuple[float, Frame]]:
    """(stamp in seconds or None, frame) -> (second since the beginning, frame), never falling.

    beginning: the stamp of second 0, of the first frame if None. frame_time: usual seconds between two
    frames, for those without a stamp that can be believed. `note` is told what was not believed. One frame is
    held back, and only where a leap must be confirmed.
    """
    clock = _Clock(beginning, frame_time, note)
    held: tuple[float, Frame] | None = None
    for stamp, frame in frames:
        if held is not None:
            yield clock.settle(held[0], stamp), held[1]
            held = None
        if stamp is not None and clock.leaps(stamp):
            held = stamp, frame
        else:
            yield clock.second(stamp), frame
    if held is not None:
        yield clock.second(held[0]), held[1]


def one_of_each(frames: Iterable[tuple[float, Frame]], fps: float) -> Iterator[tuple[float, Frame]]:
    """The first frame in each `1 / fps` seconds; (second, frame) in order of time."""
    last = -1
    for second, frame in frames:
        slot = math.floor(second * fps + 1e-6)
        if slot > last:
            last = slot
            yield second, frame


class _Clock:
    """`last` is the second of the frame before, None at the beginning."""

    def __init__(self, beginning: float | None, frame_time: float, note: Callable[[str], None]) -> None:
        self._origin, self._frame_time, self._note = beginning, frame_time, note
        self._last: float | None = None

    def leaps(self, stamp: float) -> bool:
        """Whether the stamp lies far ahead, yet not beyond belief."""
        return self._origin is not None and LEAP < stamp - self._origin - (self._last or 0.0) <= LONGEST

    def settle(self, stamp: float, following: float | None) -> float:
        """The second of a frame that leapt, now that the stamp after it is known."""
        if following is not None and following < stamp - JITTER:
            self._note("impossible times")
            return self._step()
        return self.second(stamp)

    def second(self, stamp: float | None) -> float:
        """The second of the next frame."""
        if stamp is None or not math.isfinite(stamp):
            return self._step()
        if self._origin is None:
            self._origin = stamp
        second = stamp - self._origin
        if second - (self._last or 0.0) > LONGEST:
            self._note("impossible times")
            return self._step()
        if second < (self._last or 0.0) - JITTER:
            if self._last is not None:
                self._note("times that fall back")
            second = self._step()
            self._origin = stamp - second
        self._last = max(second, self._last or 0.0)
        return self._last

    def _step(self) -> float:
        self._last = 0.0 if self._last is None else self._last + self._frame_time
        return self._last
