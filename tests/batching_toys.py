"""A device for batches of numbers, and a stage on which scenes are played with it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

from service.batching import MicroBatcher


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
