"""Work for a client that may hang up: it is then dropped before it costs."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

Result = TypeVar("Result")
CLIENT_CLOSED_REQUEST = 499  # nobody reads it; it is for the access log


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result, or None when the client hung up first. Call it once the body has been read."""
    asking = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await asking if asking.done() else None
    finally:
        asking.cancel()
        leaving.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
