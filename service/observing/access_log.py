"""Each request that is over: one log line and its metrics; never a query string or words searched for."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observing.metrics import Metrics

log = logging.getLogger("cskt.access")


class AccessLog:
    """ASGI middleware; probes and refusals for load are logged at debug level only."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and take down when the request is over."""
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
            self._take_down(scope, status, time.perf_counter() - started)

    def _take_down(self, scope: Scope, status: int, seconds: float) -> None:
        operation = _operation(scope)
        self.metrics.answered(operation, status, seconds)
        if refusal := scope.get("state", {}).get("problem"):
            self.metrics.refused(refusal)
        # under overload most answers are refusals: a line for each would cost more than the refusal
        quiet = operation in ("livez", "readyz", "metrics") or status in (429, 503)
        # ascii(): a path may hold line breaks, which must not forge log lines
        path = ascii(scope["path"])[1:-1]
        facts = {"method": scope["method"], "path": path, "status": status, "ms": round(seconds * 1000, 1)}
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %d %.1f ms",
            *facts.values(),
            extra={"facts": facts | {"operation": operation}},
        )


def _operation(scope: Scope) -> str:
    """The name of the route that answered; everything that found none counts as one."""
    return str(getattr(scope.get("route"), "name", None) or "none")
