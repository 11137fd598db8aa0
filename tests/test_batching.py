"""MicroBatcher: what arrives together runs together, each gets its own answer, nobody waits for ever."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from batching_toys import Device, play, until
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import MicroBatcher
from service.errors import NotReady, QueryFailed


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


def test_a_batch_costs_no_more_than_it_may_and_what_costs_more_goes_alone() -> None:
    device = Device()

    async def scene(batcher: MicroBatcher[int, int]) -> None:
        device.gate.clear()
        first = asyncio.create_task(batcher.submit(1))
        await until(lambda: len(device.batches) == 1)
        costs = {2: 3.0, 3: 1.0, 4: 1.0, 5: 9.0, 6: 1.0}
        others = [asyncio.create_task(batcher.submit(number, cost)) for number, cost in costs.items()]
        await asyncio.sleep(0.01)
        device.gate.set()
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12]

    play(device, scene, max_batch=4)
    assert device.batches == [[1], [2, 3], [4], [5], [6]]


def test_several_threads_work_at_once_and_each_gets_its_own_answer() -> None:
    both = threading.Barrier(2, timeout=30)

    def work(queries: Sequence[int]) -> list[int]:
        both.wait()  # needs another thread to be here too
        return [2 * query for query in queries]

    async def run() -> None:
        batcher = MicroBatcher[int, int](work, max_batch=1, threads=2)
        batcher.start()
        answers = await asyncio.gather(*(batcher.submit(number) for number in range(10)))
        assert answers == [2 * number for number in range(10)]
        await batcher.close()

    asyncio.run(asyncio.wait_for(run(), 30))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 9), st.booleans(), st.sampled_from([1.0, 2.0, 5.0])), max_size=40),
    st.integers(1, 3),
)
def test_nobody_is_lost_answered_twice_or_answered_for_another(
    asked: list[tuple[int, bool, float]], threads: int
) -> None:
    """Negative numbers fail alone; some callers leave; everybody else gets twice their number."""
    seen: list[int] = []

    def work(queries: Sequence[tuple[int, int]]) -> list[int]:
        if any(number < 0 for _, number in queries):
            raise ValueError("negative")
        seen.extend(place for place, _ in queries)
        return [2 * number for _, number in queries]

    async def run() -> list[object]:
        batcher = MicroBatcher[tuple[int, int], int](work, max_batch=4, threads=threads)
        batcher.start()
        tasks = [
            asyncio.create_task(batcher.submit((place, number), cost))
            for place, (number, _, cost) in enumerate(asked)
        ]
        await asyncio.sleep(0)
        for task, (_, leaves, _) in zip(tasks, asked, strict=True):
            if leaves:
                task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return list(answers)

    answers = asyncio.run(asyncio.wait_for(run(), 30))
    for (number, leaves, _), answer in zip(asked, answers, strict=True):
        if leaves:
            assert isinstance(answer, asyncio.CancelledError)
        elif number < 0:
            assert isinstance(answer, QueryFailed)
        else:
            assert answer == 2 * number
    stayed = [place for place, (number, leaves, _) in enumerate(asked) if number >= 0 and not leaves]
    assert sorted(set(seen)) == sorted(seen)
    assert set(stayed) <= set(seen)
