"""MicroBatcher: what arrives together runs together, each gets its own answer, nobody waits for ever."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest

from service.batching import MicroBatcher
from service.errors import NotReady, Overloaded, QueryFailed


class Device:
    """Doubles numbers; remembers its batches; fails on negative ones; waits while the gate is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, queries: Sequence[int]) -> list[int]:
        self.batches.append(list(queries))
        self.threads.add(threading.get_ident())
        assert self.gate.wait(30)
        if any(query < 0 for query in queries):
            raise ValueError("negative")
        return [2 * query for query in queries]


def play(
    device: Callable[[Sequence[int]], Sequence[int]],
    scene: Callable[[MicroBatcher[int, int]], Awaitable[None]],
    max_batch: int = 64,
    max_waiting: int = 256,
) -> None:
    async def run() -> None:
        batcher = MicroBatcher[int, int](device, max_batch=max_batch, max_waiting=max_waiting)
        batcher.start()
        try:
            await asyncio.wait_for(scene(batcher), 30)
        finally:
            await batcher.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_queries_that_arrive_together_are_one_batch() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(20)))
        assert answers == [2 * number for number in range(20)]

    play(device, scene)
    assert device.batches == [list(range(20))]
    assert len(device.threads) == 1


def test_a_batch_is_never_larger_than_allowed_and_all_are_answered_in_order() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(50)))
        assert answers == [2 * number for number in range(50)]

    play(device, scene, max_batch=8)
    assert [len(batch) for batch in device.batches] == [8, 8, 8, 8, 8, 8, 2]


def test_what_comes_while_the_device_works_is_the_next_batch() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        device.gate.clear()
        first = asyncio.create_task(batcher.submit(1))
        await until(lambda: len(device.batches) == 1)
        others = [asyncio.create_task(batcher.submit(number)) for number in (2, 3, 4)]
        await asyncio.sleep(0.01)
        device.gate.set()
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8]

    play(device, scene)
    assert device.batches == [[1], [2, 3, 4]]


def test_a_poisonous_query_fails_alone() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        numbers = [1, 2, 3, -4, 5, 6, 7, 8, -9]
        answers = await asyncio.gather(
            *(batcher.submit(number) for number in numbers), return_exceptions=True
        )
        for number, answer in zip(numbers, answers, strict=True):
            if number < 0:
                assert isinstance(answer, QueryFailed)
                assert isinstance(answer.__cause__, ValueError)
            else:
                assert answer == 2 * number

    play(device, scene)


@pytest.mark.parametrize(
    "work", [lambda queries: [], lambda queries: next(iter(()))], ids=["too few", "StopIteration"]
)
def test_work_that_misbehaves_fails_its_callers_instead_of_hanging_them(
    work: Callable[[Sequence[int]], Sequence[int]],
) -> None:
    async def scene(batcher: MicroBatcher[int, int]) -> None:
        answers = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
        assert [type(answer) for answer in answers] == [QueryFailed, QueryFailed]

    play(work, scene)


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


def test_closing_leaves_nobody_waiting() -> None:
    device = Device()

    async def run() -> None:
        batcher = MicroBatcher[int, int](device, max_batch=1)
        with pytest.raises(NotReady):
            await batcher.submit(0)
        batcher.start()
        device.gate.clear()
        tasks = [asyncio.create_task(batcher.submit(number)) for number in range(3)]
        await until(lambda: len(device.batches) == 1)
        closing = asyncio.create_task(batcher.close())
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [NotReady] * 3
        device.gate.set()
        await closing
        with pytest.raises(NotReady):
            await batcher.submit(1)

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize(("max_batch", "max_waiting"), [(0, 1), (1, 0)])
def test_senseless_limits_are_refused(max_batch: int, max_waiting: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MicroBatcher[int, int](lambda queries: list(queries), max_batch=max_batch, max_waiting=max_waiting)
