"""Bodies over the limit are refused before they are read, declared or not, as a problem like any other."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem


class BodyLimit:
    """ASGI middleware. (The framework's own limit answers plain text outside our headers.)"""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 when the declared length is too long; count what comes in otherwise."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        detail = f"The request body is larger than {self.max_bytes} bytes."
        if not declared.isdecimal() or int(declared[:20]) > self.max_bytes:
            await problem(413, detail, scope["path"], headers={"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def receive_counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, receive_counting, send)
