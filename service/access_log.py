"""One line per request: method, path, status, milliseconds; never a query string or words searched for."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("cskt.access")


class AccessLog:
    """ASGI middleware; probes of health are logged at debug level only."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and log when the request is over."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            level = logging.DEBUG if scope["path"] in ("/livez", "/readyz") else logging.INFO
            took = (time.perf_counter() - started) * 1000
            # ascii(): a path may hold line breaks, which must not forge log lines
            log.log(level, "%s %s %d %.1f ms", scope["method"], ascii(scope["path"])[1:-1], status, took)
