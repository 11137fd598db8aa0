"""MicroBatcher: who is turned away, who is dropped before it costs, and what is learnt of times."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from batching_toys import Device, play, until

from service.batching import MicroBatcher
from service.errors import Overloaded, QueryFailed, TooLate


class Clock:
    """Stands in for the module time; moves when the work takes its time, and at no other moment."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


class Slow(Device):
    """Takes `seconds` for each query, by the clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def __call__(self, queries: Sequence[int]) -> list[int]:
        self.clock.now += self.seconds * len(queries)
        return super().__call__(queries)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("service.batching.time", clock)
    return clock


def test_one_stall_turns_nobody_away_afterwards(clock: Clock) -> None:
    device = Slow(clock, 0.1)

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        await batcher.submit(1)
        device.seconds = 60.0  # the process was stopped, or the machine slept
        await batcher.submit(2)
        device.seconds = 0.1
        answers = await asyncio.gather(*(batcher.submit(number, deadline=clock.now + 2) for number in (3, 4)))
        assert answers == [6, 8]

    play(device, scene)


def test_the_first_batch_ever_may_stall(clock: Clock) -> None:
    device = Slow(clock, 60.0)

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        await batcher.submit(1)
        device.seconds = 0.1
        for number in range(30):
            assert await batcher.submit(number, deadline=clock.now + 2) == 2 * number
        assert batcher.expected(1) < 1

    play(device, scene)


def test_what_fails_says_nothing_about_time(clock: Clock) -> None:
    device = Slow(clock, 0.1)

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        await batcher.submit(1)
        usual = batcher.expected(1)
        device.seconds = 20.0  # an encoder died and was started again
        with pytest.raises(QueryFailed):
            await batcher.submit(-1)
        assert batcher.expected(1) == usual

    play(device, scene)


def test_a_batch_grows_no_further_than_all_in_it_can_be_in_time(clock: Clock) -> None:
    device = Slow(clock, 1.0)

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        for size in (1, 3, 7):  # it learns that a query takes a second
            await asyncio.gather(*(batcher.submit(number) for number in range(size)))
        device.batches.clear()
        deadlines = [clock.now + 600, clock.now + 3, *(clock.now + 600 for _ in range(6))]
        await asyncio.gather(
            *(batcher.submit(number, deadline=deadline) for number, deadline in enumerate(deadlines))
        )

    play(device, scene)
    assert device.batches == [[0, 1, 2], [3, 4, 5, 6, 7]]  # four would take as long as seven


def test_cancelled_callers_are_dropped_before_they_cost() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        device.gate.clear()
        first = asyncio.create_task(batcher.submit(1))
        await until(lambda: len(device.batches) == 1)
        waiting = [asyncio.create_task(batcher.submit(number)) for number in range(2, 12)]
        await asyncio.sleep(0.01)
        for task in waiting[:9]:
            task.cancel()
        await asyncio.gather(*waiting[:9], return_exceptions=True)
        device.gate.set()
        assert await first == 2
        assert await waiting[9] == 22

    play(device, scene)
    assert device.batches == [[1], [11]]


def test_a_full_line_refuses_at_once_and_places_of_the_cancelled_are_free_again() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        device.gate.clear()
        first = asyncio.create_task(batcher.submit(1))
        await until(lambda: len(device.batches) == 1)
        waiting = [asyncio.create_task(batcher.submit(number)) for number in (2, 3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await batcher.submit(4)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        late = asyncio.create_task(batcher.submit(5))
        await asyncio.sleep(0.01)
        device.gate.set()
        assert await asyncio.gather(first, waiting[1], late) == [2, 6, 10]

    play(device, scene, max_waiting=2)


def test_who_would_be_answered_too_late_is_told_so_and_costs_nothing() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        device.gate.clear()
        first = asyncio.create_task(batcher.submit(1))
        await until(lambda: len(device.batches) == 1)
        soon = asyncio.create_task(batcher.submit(2, deadline=time.monotonic() + 0.01))
        later = asyncio.create_task(batcher.submit(3, deadline=time.monotonic() + 600))
        await asyncio.sleep(0.05)
        device.gate.set()
        with pytest.raises(TooLate):
            await soon
        assert (await first, await later) == (2, 6)

    play(device, scene)
    assert device.batches == [[1], [3]]


def test_a_batch_that_does_not_return_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.batching.HANGS_AFTER", 0.05)
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        assert not batcher.hangs
        device.gate.clear()
        stuck = asyncio.create_task(batcher.submit(1))
        await until(lambda: batcher.hangs)
        device.gate.set()
        assert await stuck == 2
        assert not batcher.hangs

    play(device, scene)
