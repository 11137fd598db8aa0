"""Who asks? Says it to the rest of the service before anything of the body is read."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import Caller
from service.access import Scope as KeyScope

LOCAL = Caller("", "this machine", frozenset(KeyScope))
"""Whoever reaches a service that runs without keys."""


class Authentication:
    """ASGI middleware that puts the caller into the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the caller named."""
        if scope["type"] == "http":
            scope.setdefault("state", {})["caller"] = LOCAL
        await self.app(scope, receive, send)
