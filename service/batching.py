"""Queries that arrive together are encoded together.

One device thread pulls the next batch the moment it is free, so an idle service adds no delay and a busy one
forms larger batches by itself. The line is bounded; callers that have gone are dropped before they cost
anything; a failing batch is halved until the item at fault fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import NotReady, Overloaded, QueryFailed

Query = TypeVar("Query")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Waiting(Generic[Query, Answer]):
    query: Query
    answer: "asyncio.Future[Answer]"


class MicroBatcher(Generic[Query, Answer]):
    """Runs `work` (a batch of queries in, as many answers in the same order out) on one thread of its own."""

    def __init__(
        self,
        work: Callable[[Sequence[Query]], Sequence[Answer]],
        *,
        max_batch: int = 64,
        max_waiting: int = 256,
    ) -> None:
        if max_batch < 1 or max_waiting < 1:
            raise ValueError("max_batch and max_waiting must be at least 1")
        self._work, self.max_batch, self.max_waiting = work, max_batch, max_waiting
        self._line: deque[_Waiting[Query, Answer]] = deque()
        self._running: list[_Waiting[Query, Answer]] = []
        self._arrived = asyncio.Event()
        self._device = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cskt-encoder")
        self._puller: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pull; call it inside the running event loop."""
        self._puller = asyncio.create_task(self._pull(), name="cskt-batcher")

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReady. Returns when the device thread has ended."""
        if self._puller is not None:
            self._puller.cancel()
            await asyncio.gather(self._puller, return_exceptions=True)
        await asyncio.to_thread(self._device.shutdown)

    async def submit(self, query: Query) -> Answer:
        """The answer to one query.

        Raises Overloaded when the line is full, QueryFailed when the work fails on this query alone (its
        `__cause__` is the reason) and NotReady when the batcher is not running.
        """
        if self._puller is None or self._puller.done():
            raise NotReady("The service is not running.")
        if len(self._line) >= self.max_waiting:
            self._drop_cancelled()
        if len(self._line) >= self.max_waiting:
            raise Overloaded(f"{len(self._line)} queries are waiting already; try again in a moment.")
        waiting = _Waiting[Query, Answer](query, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._arrived.set()
        return await waiting.answer  # cancelling the caller cancels this future, which drops the query

    def _drop_cancelled(self) -> None:
        self._line = deque(waiting for waiting in self._line if not waiting.answer.done())

    async def _pull(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._drop_cancelled()
                self._running = [self._line.popleft() for _ in range(min(self.max_batch, len(self._line)))]
                if not self._line:
                    self._arrived.clear()
                await self._answer(self._running)
        finally:  # whatever ended the pulling, nobody is left waiting for ever
            for waiting in (*self._running, *self._line):
                if not waiting.answer.done():
                    waiting.answer.set_exception(NotReady("The service is stopping."))

    async def _answer(self, batch: list[_Waiting[Query, Answer]]) -> None:
        """Answer a batch; when it fails, its two halves, and so on down to the item at fault."""
        batch = [waiting for waiting in batch if not waiting.answer.done()]
        if not batch:
            return
        queries = [waiting.query for waiting in batch]
        result = await asyncio.get_running_loop().run_in_executor(self._device, self._attempt, queries)
        if not isinstance(result, Exception):
            for waiting, answer in zip(batch, result, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
        elif len(batch) > 1:
            middle = len(batch) // 2
            await self._answer(batch[:middle])
            await self._answer(batch[middle:])
        elif not batch[0].answer.done():
            failure = QueryFailed("The encoder failed on this query.")
            failure.__cause__ = result
            batch[0].answer.set_exception(failure)

    def _attempt(self, queries: list[Query]) -> Sequence[Answer] | Exception:
        """Runs on the device thread. A failure is returned: a future cannot carry every exception."""
        try:
            answers = self._work(queries)
            if len(answers) != len(queries):
                raise RuntimeError(f"{len(queries)} queries gave {len(answers)} answers")
        except Exception as error:
            return error
        return answers
