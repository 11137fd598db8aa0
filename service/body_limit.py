"""Bodies over the limit are refused before they are read, declared or not, as a problem like any other.

How long a body may be depends on the address. What is being read at once is bounded as a whole, and a large
body that does not come is not waited for.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem

KILOBYTE, MEGABYTE = 1024, 1024 * 1024
LONGER: Mapping[str, int] = {
    "/v1/search": 15 * MEGABYTE,  # one picture of 10 MB in base64
    "/v1/search/export": 15 * MEGABYTE,
    "/v1/search/batch": 32 * MEGABYTE,
    "/v1/items": 64 * MEGABYTE,
    "/v1/embeddings": 32 * MEGABYTE,
}
"""Addresses that take pictures."""
ALL_TOGETHER = 256 * MEGABYTE
LARGE = 64 * KILOBYTE
"""A body that counts for the sum; smaller ones are bounded by the number of connections."""
SECONDS = 30.0
"""Within which a large body must have come."""
LET_COME, PAUSE_SECONDS = 128 * MEGABYTE, 1.0
"""How much of a body that was refused may still come, and after what pause in it its connection is closed."""


class BodyLimit:
    """ASGI middleware. (The framework's own limit answers plain text outside our headers.)"""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app, self.max_bytes, self._reading = app, max_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 when the declared length is too long; count what comes in otherwise."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = max(self.max_bytes, LONGER.get(scope["path"], 0))
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > most:
            await self._refuse(413, _too_long(most), scope, receive, send)
            return
        length = int(declared) if "content-length" in headers else most * ("transfer-encoding" in headers)
        held = length if length > LARGE else 0
        if self._reading + held > ALL_TOGETHER:
            detail = "Too many large bodies are being read; try again in a moment."
            await self._refuse(429, detail, scope, receive, send)
            return
        self._reading += held
        try:
            await self.app(scope, _Counted(receive, most, SECONDS if held else None), send)
        finally:
            self._reading -= held

    async def _refuse(self, status: int, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Connection": "close"} | ({"Retry-After": "1"} if status == 429 else {})

        async def lingering(message: Message) -> None:
            if message["type"] != "http.response.body" or "expect" in Headers(scope=scope):
                await send(message)
                return
            await send({**message, "more_body": True})
            await _let_come(receive)
            await send({"type": "http.response.body", "body": b""})

        await problem(status, detail, scope["path"], headers=headers)(scope, receive, lingering)


async def _let_come(receive: Receive) -> None:
    """Take what a client is still sending, for a while: where a connection is closed meanwhile, the answer is
    lost, and a proxy makes a 502 of it."""
    left, until = LET_COME, asyncio.get_running_loop().time() + SECONDS
    with suppress(TimeoutError):
        while left > 0 and asyncio.get_running_loop().time() < until:
            async with asyncio.timeout(PAUSE_SECONDS):
                message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return


class _Counted:
    """Receives a body, but neither too much of it nor for too long."""

    def __init__(self, receive: Receive, most: int, seconds: float | None) -> None:
        self._receive, self._most, self._came, self._whole = receive, most, 0, False
        self._until = None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def __call__(self) -> Message:
        if self._whole:  # what comes now is that the client hangs up, whenever that is
            return await self._receive()
        message = await self._next()
        self._came += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._came > self._most:
            raise HTTPException(413, _too_long(self._most))
        return message

    async def _next(self) -> Message:
        if self._until is None:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                return await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, headers={"Connection": "close"}) from error


def _too_long(most: int) -> str:
    return f"The request body is larger than {most} bytes."
