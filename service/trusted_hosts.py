"""Only requests that name this service are answered, so no web page can reach it by rebinding its name."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import problem


class TrustedHosts:
    """ASGI middleware; `allowed` are names without ports, `*` allows any."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self.app, self.allowed = app, frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on when the Host header is allowed, else answer 421."""
        if scope["type"] != "http" or "*" in self.allowed:
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name in self.allowed:
            await self.app(scope, receive, send)
            return
        detail = (
            "This service does not answer under that host name; CSKT_ALLOWED_HOSTS lists the names it takes."
        )
        await problem(421, detail, scope["path"])(scope, receive, send)
