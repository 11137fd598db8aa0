"""Refusing before anything is done: the server asks here before it makes a task of a request.

Under heavy overload nearly all is refused, and what that costs is taken from those who are let in. What is no
request at all is refused here too.
"""

from collections.abc import Callable

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.shedding import Shedding, bytes_for_no_http, bytes_of_refusal


def refusing(shedding: Shedding, draining: Callable[[], bool]) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, with an answer of its own to who cannot be answered in time.

    While the service drains, it is the last one on its connection.
    """

    class Refusing(HttpToolsProtocol):
        def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
            path = cycle.scope["path"]
            refusal = shedding.refusal(path, shedding.seconds(cycle.scope))
            if refusal is None:
                super()._start_asgi_task(cycle, app)
                return
            keep_alive = cycle.keep_alive and not draining()
            self.transport.write(bytes_of_refusal(path, refusal.retry_after or 1, keep_alive))
            cycle.response_started = cycle.response_complete = True
            if not keep_alive:
                self.transport.close()
            self.on_response_complete()

        def send_400_response(self, msg: str) -> None:
            self.transport.write(bytes_for_no_http())
            self.transport.close()

    return Refusing
