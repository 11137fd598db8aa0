"""What arrives together is worked on together: encoding, and searching the gallery.

Each worker thread pulls the next batch the moment it is free, so an idle service adds no delay and a busy one
forms larger batches by itself, as large as keeps everybody in it in time. Who has gone, or would be answered
too late even alone, is dropped before it costs anything; a failing batch is halved until the query at fault
fails alone.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import NotReady, Overloaded, QueryFailed, TooLate
from service.observing.metrics import Metrics

HANGS_AFTER = 3.0
"""Seconds after which a batch counts as hanging, unless batches of its size usually take long."""
_LEARNT, _AT_MOST = 0.2, 3.0
"""How much of what the last batch took is learnt, and how many times the usual time that may be: a process
that was stopped for a while says nothing about batches."""
log = logging.getLogger("cskt.batching")

Query = TypeVar("Query")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Waiting(Generic[Query, Answer]):
    query: Query
    answer: "asyncio.Future[Answer]"
    cost: float
    deadline: float
    since: float


class MicroBatcher(Generic[Query, Answer]):
    """Runs `work` (a batch of queries in, as many answers in the same order out) on threads of its own.

    `max_batch` is the cost of a batch at most, `max_waiting` how many queries may wait. `stage` is the name
    under which `metrics` learn how long a batch took. `one_by_one`: between two answers of a batch the event
    loop does something else, because much is left to do with each; otherwise all go on together, as a batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Query]], Sequence[Answer]],
        *,
        max_batch: int = 64,
        max_waiting: int = 256,
        threads: int = 1,
        stage: str = "encode",
        one_by_one: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        if min(max_batch, max_waiting, threads) < 1:
            raise ValueError("max_batch, max_waiting and threads must be at least 1")
        self._work, self.max_batch, self.max_waiting, self._threads = work, max_batch, max_waiting, threads
        self._stage, self._one_by_one, self._metrics = stage, one_by_one, metrics or Metrics()
        self._line: deque[_Waiting[Query, Answer]] = deque()
        self._running: dict[int, list[_Waiting[Query, Answer]]] = {}
        self._begun: dict[int, tuple[float, float]] = {}  # by worker: when, and how long it should take
        self._arrived = asyncio.Event()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"cskt-{stage}")
        self._pullers: list[asyncio.Task[None]] = []
        self._usual: dict[int, float] = {}

    def start(self) -> None:
        """Begin to pull; call it inside the running event loop."""
        self._pullers = [
            asyncio.create_task(self._pull(worker), name=f"cskt-{self._stage}-{worker}")
            for worker in range(self._threads)
        ]

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReady. Returns when the threads have ended."""
        for puller in self._pullers:
            puller.cancel()
        await asyncio.gather(*self._pullers, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown)

    @property
    def hangs(self) -> bool:
        """Whether a batch takes far longer than batches of its size do."""
        now = time.monotonic()
        return any(now - begun > max(HANGS_AFTER, 10 * usual) for begun, usual in self._begun.values())

    async def submit(self, query: Query, cost: float = 1.0, deadline: float | None = None) -> Answer:
        """The answer to one query; `deadline` in seconds of time.monotonic().

        Raises Overloaded when the line is full, TooLate when the answer would come after the deadline,
        QueryFailed when the work fails on this query alone (its `__cause__` is the reason) and NotReady when
        the batcher is not running.
        """
        if not self._pullers or all(puller.done() for puller in self._pullers):
            raise NotReady("The service is not running.")
        if len(self._line) >= self.max_waiting:
            self._drop_gone()
        if len(self._line) >= self.max_waiting:
            raise Overloaded(f"{len(self._line)} queries are waiting already; try again in a moment.")
        waiting = _Waiting[Query, Answer](
            query,
            asyncio.get_running_loop().create_future(),
            cost,
            math.inf if deadline is None else deadline,
            time.monotonic(),
        )
        self._line.append(waiting)
        self._metrics.waiting(self._stage, len(self._line))
        self._arrived.set()
        return await waiting.answer  # cancelling the caller cancels this future, which drops the query

    def expected(self, cost: float) -> float:
        """Seconds that a batch of this cost has been taking; those of the next size known, 0 if none is."""
        size = _size(cost)
        known = [usual for known_size, usual in sorted(self._usual.items()) if known_size >= size]
        return known[0] if known else max(self._usual.values(), default=0.0)

    def _drop_gone(self) -> None:
        self._line = deque(waiting for waiting in self._line if not waiting.answer.done())

    def _next(self) -> list[_Waiting[Query, Answer]]:
        """The oldest that are still wanted, as many as can be in time together, up to the cost of a batch."""
        batch: list[_Waiting[Query, Answer]] = []
        cost, soonest, now = 0.0, math.inf, time.monotonic()
        while self._line:
            waiting = self._line[0]
            if waiting.answer.done() or self._is_late(waiting, now, alone=not batch and len(self._line) == 1):
                self._line.popleft()
                continue
            grown, soonest = cost + waiting.cost, min(soonest, waiting.deadline)
            if batch and (grown > self.max_batch or now + self.expected(grown) > soonest):
                break
            batch.append(self._line.popleft())
            cost = grown
        return batch

    def _is_late(self, waiting: _Waiting[Query, Answer], now: float, alone: bool) -> bool:
        """Tell one that cannot be in time, even in a batch of its own.

        One that waits `alone` is tried until its deadline: how long batches take may be known wrongly, and
        where all are turned away nothing better is learnt.
        """
        late = now + (0.0 if alone else self.expected(waiting.cost)) > waiting.deadline
        if late:
            waiting.answer.set_exception(TooLate("Too much is asked for an answer in time; try again."))
        return late

    async def _pull(self, worker: int) -> None:
        try:
            while True:
                await self._arrived.wait()
                batch = self._running[worker] = self._next()
                if not self._line:
                    self._arrived.clear()
                self._metrics.waiting(self._stage, len(self._line))
                for waiting in batch:
                    self._metrics.waited(time.monotonic() - waiting.since)
                if batch:
                    await self._answer(batch, worker)
        finally:  # whatever ended the pulling, nobody is left waiting for ever
            for waiting in (*self._running.get(worker, ()), *self._line):
                if not waiting.answer.done():
                    waiting.answer.set_exception(NotReady("The service is stopping."))

    async def _answer(self, batch: list[_Waiting[Query, Answer]], worker: int) -> None:
        """Answer a batch; when it fails, its two halves, and so on down to the query at fault."""
        batch = [waiting for waiting in batch if not waiting.answer.done()]
        if not batch:
            return
        result = await self._timed(batch, worker)
        if not isinstance(result, Exception):
            for waiting, answer in zip(batch, result, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
                if self._one_by_one:
                    await asyncio.sleep(0)
        elif len(batch) > 1:
            middle = len(batch) // 2
            await self._answer(batch[:middle], worker)
            await self._answer(batch[middle:], worker)
        elif not batch[0].answer.done():
            failure = QueryFailed("The service failed on this query; its log says why.")
            failure.__cause__ = result
            batch[0].answer.set_exception(failure)

    async def _timed(self, batch: list[_Waiting[Query, Answer]], worker: int) -> Sequence[Answer] | Exception:
        """Run a batch on a thread and learn how long its size takes."""
        cost, queries = sum(waiting.cost for waiting in batch), [waiting.query for waiting in batch]
        started, usual = time.monotonic(), self.expected(cost)
        self._begun[worker] = (started, usual)
        try:
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(self._pool, self._attempt, queries)
        finally:
            del self._begun[worker]
        took = time.monotonic() - started
        self._metrics.batch(self._stage, len(batch), took)
        if not isinstance(result, Exception):  # a failure may take any time
            self._learn(_size(cost), min(took, _AT_MOST * usual) if usual else took)
        return result

    def _learn(self, size: int, took: float) -> None:
        self._usual[size] = took + (1 - _LEARNT) * (self._usual.get(size, took) - took)

    def _attempt(self, queries: list[Query]) -> Sequence[Answer] | Exception:
        """Runs on a thread of the pool. A failure is returned: a future cannot carry every exception."""
        try:
            answers = self._work(queries)
            if len(answers) != len(queries):
                raise RuntimeError(f"{len(queries)} queries gave {len(answers)} answers")
        except Exception as error:
            return error
        return answers


def _size(cost: float) -> int:
    """The power of two that holds this cost: batches of one size take about as long."""
    return max(1, round(cost + 0.49)).bit_length()
