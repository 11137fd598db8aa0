"""Open-loop load over HTTP: requests are sent when they are due, whether or not earlier ones were answered.

A client that waits for its answer before it asks again slows down with the service and hides how long people
wait. Here each time counts from the moment a request was due, so a late generator cannot flatter either.
"""

import asyncio
import gc
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

CONNECTIONS = 4000
"""Open at once at most; a request that finds none free counts as failed."""
TICK = 0.001
"""Seconds between looks at what is due: at high rates one for each request takes the service its cores."""


@dataclass(frozen=True)
class Answer:
    """Seconds since the request was due, its status (0: no answer), and how late it was sent."""

    due: float
    seconds: float
    status: int
    late: float


@dataclass
class _Asked:
    due: float
    sent: float


class _Connection(asyncio.Protocol):
    """One kept connection; one request at a time, of whose answer only status and length are read."""

    def __init__(self, load: "Load") -> None:
        self._load, self._buffer, self._open = load, bytearray(), True
        self._transport: asyncio.Transport | None = None
        self._asked: _Asked | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, asked: _Asked, request: bytes) -> None:
        """Send one request."""
        assert self._transport is not None
        self._asked = asked
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait until the answer is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        del self._buffer[: end + 4 + length]
        self._finish(int(head[9:12]), keep=b"connection: close" not in head)

    def connection_lost(self, error: Exception | None) -> None:
        """What was asked gets no answer."""
        self._finish(0, keep=False)

    def _finish(self, status: int, *, keep: bool) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self._load.finished(asked, status)
        if keep:
            self._load.free(self)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Close, once."""
        if self._open and self._transport is not None:
            self._open = False
            self._load.gone(self)
            self._transport.close()


class Load:
    """Asks one service; `requests` are whole HTTP requests, taken in turn."""

    def __init__(self, host: str, port: int, requests: Sequence[bytes]) -> None:
        self._host, self._port, self._requests = host, port, requests
        self._free: list[_Connection] = []
        self._open = self._unanswered = 0
        self._answers: list[Answer] = []
        self._answered = asyncio.Event()

    async def at_rate(self, rate: float, seconds: float, seed: int = 0) -> list[Answer]:
        """Poisson arrivals, `rate` a second; returns when all were answered, half a minute later at most."""
        loop, draw = asyncio.get_running_loop(), random.Random(seed)
        self._answers = []
        gc.disable()
        try:
            start = loop.time() + 0.05
            due, end, number = start, start + seconds, 0
            while due < end:
                await asyncio.sleep(max(due - loop.time(), TICK))
                while due <= loop.time() and due < end:
                    self._send(due, self._requests[number % len(self._requests)])
                    number += 1
                    due += draw.expovariate(rate)
            await self._settle(end + 30)
        finally:
            gc.enable()
        return self._answers

    async def by_clients(self, clients: int, seconds: float) -> list[Answer]:
        """As many requests in flight as there are clients, each sent when an earlier one is answered."""
        loop = asyncio.get_running_loop()
        self._answers, number = [], 0
        end = loop.time() + seconds
        while (now := loop.time()) < end:
            while self._unanswered < clients:
                self._send(now, self._requests[number % len(self._requests)])
                number += 1
            self._answered.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), end - now)
        await self._settle(end + 30)
        return self._answers

    async def _settle(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while self._unanswered and loop.time() < until:
            await asyncio.sleep(0.01)

    def _send(self, due: float, request: bytes) -> None:
        self._unanswered += 1
        now = asyncio.get_running_loop().time()
        asked = _Asked(due, now)
        if self._free:
            self._free.pop().ask(asked, request)
        elif self._open < CONNECTIONS:
            self._open += 1
            task = asyncio.ensure_future(self._connect(asked, request))
            task.add_done_callback(lambda done: done.exception())
        else:
            self.finished(asked, 0)

    async def _connect(self, asked: _Asked, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        except OSError:
            self._open -= 1
            self.finished(asked, 0)
            return
        connection.ask(asked, request)

    def free(self, connection: _Connection) -> None:
        """A connection may be used again."""
        self._free.append(connection)

    def gone(self, connection: _Connection) -> None:
        """A connection is of no more use."""
        self._open -= 1
        if connection in self._free:
            self._free.remove(connection)

    def finished(self, asked: _Asked, status: int) -> None:
        """Take down one answer."""
        self._unanswered -= 1
        self._answered.set()
        now = asyncio.get_running_loop().time()
        self._answers.append(Answer(asked.due, now - asked.due, status, asked.sent - asked.due))

    async def close(self) -> None:
        """Hang up."""
        for connection in list(self._free):
            connection.hang_up()
        await asyncio.sleep(0)
