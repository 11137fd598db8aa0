"""A client that asks an app in memory and hangs up when it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from service_toys import ToyEncoder

from service.searcher import Searcher


@asynccontextmanager
async def encoder_held(app: FastAPI, searcher: Searcher, encoder: ToyEncoder) -> AsyncIterator[None]:
    """The app, ready, with nothing encoded yet; its encoder stays at the first batch until its gate opens."""
    async with app.router.lifespan_context(app):
        while not searcher.ready:
            await asyncio.sleep(0.001)
        encoder.batches.clear()
        encoder.gate.clear()
        yield


async def post(app: FastAPI, path: str, sent: dict, hang_up: asyncio.Event) -> list[int]:
    """The statuses that the app began an answer with."""
    statuses: list[int] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": None,
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
    }
    parts = iter([{"type": "http.request", "body": json.dumps(sent).encode()}])

    async def receive() -> dict:
        for part in parts:
            return part
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses
