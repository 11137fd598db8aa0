"""Under overload most requests are refused; here that costs next to nothing, before anything else is done.

The same rule as everywhere decides (`admission.py`); only the way to the refusal is short: no routing, no
body, no exceptions. A caller without a key is refused here too, before it is told that it needs one.
`refusing.py` asks here before the server makes a task of a request; who comes past it meets the middleware.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import TOO_MUCH, Admission, Pass
from service.deadlines import budget_of_headers
from service.errors import NoHttp, Overloaded
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
    """Knows from the head of a request whether it can be answered in time.

    `admission` gives the rule once the service is up.
    """

    def __init__(
        self, admission: Callable[[], Admission | None], settings: Settings, metrics: Metrics
    ) -> None:
        self._admission, self._settings, self._metrics = admission, settings, metrics

    @property
    def admission(self) -> Admission | None:
        """The rule, once the service is up."""
        return self._admission()

    def seconds(self, scope: Mapping[str, Any]) -> float | None:
        """What a request has until its deadline; None for one that the rule is not for."""
        if scope["type"] != "http" or scope["path"] not in OPERATIONS or scope["method"] != "POST":
            return None
        return budget_of_headers(scope["headers"], self._settings)

    def refusal(self, path: str, seconds: float | None) -> Overloaded | None:
        """Why a request with so much time is refused, which is noted; None for one that is let in."""
        started, admission = time.perf_counter(), self.admission
        refusal = None if seconds is None or admission is None else admission.refusal(seconds)
        if refusal is not None:
            self._metrics.refused("too-many-requests")
            self._metrics.answered(OPERATIONS[path], refusal.status, time.perf_counter() - started)
        return refusal


class SheddingMiddleware:
    """Passes on what can be answered in time; from there to the end of its answer it counts as inside."""

    def __init__(self, app: ASGIApp, shedding: Shedding) -> None:
        self.app, self.shedding = app, shedding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        seconds, admission = self.shedding.seconds(scope), self.shedding.admission
        if seconds is None or admission is None:
            await self.app(scope, receive, send)
            return
        refusal = self.shedding.refusal(scope["path"], seconds)
        if refusal is not None:
            headers, body = parts_of_refusal(scope["path"], refusal.retry_after or 1)
            await send({"type": "http.response.start", "status": refusal.status, "headers": list(headers)})
            await send({"type": "http.response.body", "body": body})
            return
        await self._let_in(admission, seconds, scope, receive, send)

    async def _let_in(
        self, admission: Admission, seconds: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
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


@lru_cache(maxsize=256)
def parts_of_refusal(path: str, retry_after: int) -> tuple[tuple[tuple[bytes, bytes], ...], bytes]:
    """Headers and body of the answer to who comes to this address too soon."""
    refusal = Overloaded(TOO_MUCH)
    body = problem_of(refusal, path).model_dump_json(exclude_none=True).encode()
    own = [(b"retry-after", str(retry_after).encode()), (b"content-length", str(len(body)).encode())]
    return (*_ALWAYS, *own), body


@lru_cache(maxsize=256)
def bytes_of_refusal(path: str, retry_after: int, keep_alive: bool) -> bytes:
    """The same as it goes over a connection in HTTP/1.1."""
    headers, body = parts_of_refusal(path, retry_after)
    return _as_bytes(Overloaded.status, headers, body, keep_alive)


@lru_cache
def bytes_for_no_http() -> bytes:
    """The last answer on a connection over which something came that is no request."""
    refusal = NoHttp("This is no request in HTTP/1.1, or its address is longer than 64 kB.")
    body = problem_of(refusal, "").model_dump_json(exclude_none=True).encode()
    headers = [*_ALWAYS, (b"content-length", str(len(body)).encode())]
    return _as_bytes(refusal.status, headers, body, keep_alive=False)


def _as_bytes(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    lines += [] if keep_alive else [b"connection: close"]
    return b"\r\n".join([*lines, b"", body])
