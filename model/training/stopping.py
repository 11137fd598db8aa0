"""Ways for a run to end early: a wish to stop between two steps, and a loss that runs away."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

SMOOTHING = 0.95
"""The watched loss is smoothed, so that some 20 steps count; it is judged from then on."""
GIVEN_BACK = 0.25
"""A run is well while it has given back at most that share of what its loss had fallen ..."""
NOISE = 0.3
"""... or is above its lowest loss by no more than that share of the loss at its start."""
DIVERGED = 2.0
"""It is given up at so many times the loss of its start, or at that loss after having halved it."""


class StopWish:
    """Whether somebody wants the run to stop: the first Ctrl-C or termination is noted, the second acts."""

    def __init__(self) -> None:
        self.noted = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """A signal handler: remember the wish; raise KeyboardInterrupt if there was one already."""
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Within it the first SIGINT or SIGTERM only sets `noted`; outside the main thread nothing is changed."""
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LossWatch:
    """Follows the smoothed loss of a run; its numbers are part of the run's state."""

    def __init__(self) -> None:
        self.looks, self.smoothed, self.first, self.lowest = 0, 0.0, 0.0, 0.0

    def look(self, loss: float) -> None:
        """Take in the loss of one step."""
        self.looks += 1
        self.smoothed = loss if self.looks == 1 else SMOOTHING * self.smoothed + (1 - SMOOTHING) * loss
        if self.looks == round(1 / (1 - SMOOTHING)):
            self.first = self.lowest = self.smoothed
        self.lowest = min(self.lowest, self.smoothed)

    @property
    def well(self) -> bool:
        """Whether the state is worth keeping as one to go back to."""
        slack = max(GIVEN_BACK * (self.first - self.lowest), NOISE * self.first)
        return not self._judged or self.smoothed <= self.lowest + slack

    @property
    def diverged(self) -> bool:
        """Whether the run is to be given up."""
        lost = self.lowest < self.first / 2 and self.smoothed > self.first
        return self._judged and (lost or self.smoothed > DIVERGED * self.first)

    @property
    def _judged(self) -> bool:
        return self.looks >= round(1 / (1 - SMOOTHING)) and self.first > 0

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All numbers, as one tensor."""
        numbers = [self.looks, self.smoothed, self.first, self.lowest]
        return {"numbers": torch.tensor(numbers, dtype=torch.float64)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on where a kept watch stood."""
        looks, self.smoothed, self.first, self.lowest = state["numbers"].tolist()
        self.looks = int(looks)
