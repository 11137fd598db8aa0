"""Under overload most requests are refused; here that costs next to nothing, before anything else is done.

The same rule as everywhere decides (`admission.py`); only the way to the refusal is short: no routing, no
body, no exceptions. A caller without a key is refused here too, before it is told that it needs one.
"""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import Admission, Pass
from service.deadlines import budget_of_headers
from service.errors import Overloaded
from service.observing.metrics import Metrics
from service.problems import problem_of
from service.security_headers import HEADERS
from service.settings import Settings

OPERATIONS = {
    "/v1/search": "search",
    "/v1/search/batch": "search_batch",
    "/v1/embeddings": "create_embeddings",
}


class Shedding:
    """ASGI middleware; `admission` gives the rule once the service is up."""

    def __init__(
        self,
        app: ASGIApp,
        admission: Callable[[], Admission | None],
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self.app, self.admission, self.settings, self.metrics = app, admission, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what can be answered in time."""
        operation = OPERATIONS.get(scope["path"]) if scope["type"] == "http" else None
        admission = self.admission() if operation is not None else None
        if operation is None or admission is None or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        seconds = budget_of_headers(scope["headers"], self.settings)
        refusal = admission.refusal(seconds)
        if refusal is None:
            await self._let_in(admission, seconds, scope, receive, send)
            return
        await _send(refusal, scope, send)
        self.metrics.refused("too-many-requests")
        self.metrics.answered(operation, refusal.status, time.perf_counter() - started)

    async def _let_in(
        self, admission: Admission, seconds: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """From here to the end of its answer the request counts as inside."""
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        admission.enter(seconds)
        scope.setdefault("state", {})["admitted"] = Pass(seconds, 1.0)
        try:
            await self.app(scope, receive, send_noting)
        finally:
            admission.leave(answered=status == 200)


_ALWAYS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_ALWAYS += [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]


async def _send(refusal: Overloaded, scope: Scope, send: Send) -> None:
    body = problem_of(refusal, scope["path"]).model_dump_json(exclude_none=True).encode()
    own = [(b"retry-after", str(refusal.retry_after).encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*_ALWAYS, *own]})
    await send({"type": "http.response.body", "body": body})
