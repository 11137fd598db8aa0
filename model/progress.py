"""Progress of long work: a bar with rate and ETA on a terminal, a plain line every few seconds otherwise."""

import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """Counts finished units; `total` may be unknown (None), `start` is what an earlier run had done.

    On a terminal tqdm draws a bar. Otherwise a line `title: 1200/6000 items, 84.1/s, ETA 0:57` is printed
    every `interval` seconds and at the end, so that logs stay readable. Everything goes to `stream` (stderr).
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "items",
        interval: float = 10.0,
        stream: TextIO | None = None,
        start: int = 0,
    ) -> None:
        self.title, self.total, self.unit, self.interval = title, total, unit, interval
        self.stream = stream or sys.stderr
        self.start = self.done = start
        self.note = ""
        self._shown: int | None = None  # what the last printed line counted
        self._started = self._printed = time.monotonic()
        self._bar = self._open_bar() if self.stream.isatty() else None

    def _open_bar(self) -> "object":
        from tqdm import tqdm

        return tqdm(
            initial=self.start,
            total=self.total,
            desc=self.title,
            unit=f" {self.unit}",
            file=self.stream,
            dynamic_ncols=True,
        )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Report `count` more finished units and, if given, a short note shown behind the rate."""
        self.done += count
        self.note = note or self.note
        if self._bar is not None:
            self._bar.set_postfix_str(self.note, refresh=False)  # type: ignore[attr-defined]
            self._bar.update(count)  # type: ignore[attr-defined]
        elif time.monotonic() - self._printed >= self.interval:
            self._print_line()

    def line(self) -> str:
        """The plain line: what, how many of how many, rate, time left."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = (self.done - self.start) / elapsed
        count = f"{self.done}/{self.total}" if self.total is not None else f"{self.done}"
        parts = [f"{self.title}: {count} {self.unit}", f"{rate:.1f}/s"]
        if self.total is not None and rate and self.done < self.total:
            parts.append(f"ETA {_clock((self.total - self.done) / rate)}")
        else:
            parts.append(f"{_clock(elapsed)} elapsed")
        return ", ".join(parts + ([self.note] if self.note else []))

    def _print_line(self) -> None:
        self._printed, self._shown = time.monotonic(), self.done
        print(self.line(), file=self.stream, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()  # type: ignore[attr-defined]
        elif self._shown != self.done:
            self._print_line()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
