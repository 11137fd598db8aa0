"""From settings to a listening process; whatever prevents it is one sentence before anything is served."""

import errno
import gc
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.errors import ServeError
from service.keys import check_apart, keys_there, now
from service.observing.logs import log_to_stderr
from service.refusing import refusing
from service.searcher import Searcher
from service.settings import Settings

IDLE_SECONDS = 75  # longer than proxies keep idle connections: who closes first is not just being asked
GRACE_SECONDS = 5  # running queries may end; then connections are closed
START_SECONDS = 30  # after which it listens though searches are not answered yet, and says so


def check_address(settings: Settings) -> None:
    """Raise ServeError when other machines could reach a service without keys; KeyProblem for wrong ones."""
    moment = now()
    good = [key for key in keys_there(settings) if key.good(moment)]
    kept = f"--state {settings.state}" if settings.state else f"--gallery {settings.gallery or 'G'}"
    make = f"cskt key create --name NAME --scopes search {kept}"
    if not settings.loopback and not good:
        raise ServeError(
            f"The address {settings.host} can be reached by other machines and there is no key: make one "
            f"({make}), or use 127.0.0.1."
        )
    if settings.profile == "casework":
        if not good:
            raise ServeError(f"Casework needs keys, on this machine too: {make}.")
        for key in good:
            check_apart(key.scopes)


def bind(settings: Settings) -> socket.socket:
    """A socket bound to the address. Raises ServeError.

    It listens once all is up: until then who connects is refused, and a proxy asks another replica.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # TCP is named, as asyncio sets TCP_NODELAY only where it is; without that every answer takes 40 ms more.
    holder = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((settings.host, settings.port))
    except OSError as error:
        holder.close()
        raise _cannot_listen(settings, error) from error
    return holder


def serve(searcher: Searcher, settings: Settings, holder: socket.socket) -> int:
    """Answer on the socket until Ctrl-C or SIGTERM; returns 0 after an orderly end."""
    log_to_stderr(settings.log_format)
    app = create_app(settings, searcher, START_SECONDS)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=refusing(app.state.shedding, lambda: app.state.draining),
        proxy_headers=False,  # auth.py believes those of trusted proxies
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        lifespan="on",
    )
    server = _Server(config, app, settings)
    signal.signal(signal.SIGTERM, _leave)  # the server hands its signals on once it has ended in order
    # the default of 5 ms lets a busy encoder hold up every other answer by as much
    sys.setswitchinterval(0.0005)
    _spare_the_collector()
    try:
        server.run(sockets=[holder])
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    if server.failure is not None:
        raise _cannot_listen(settings, server.failure) from server.failure
    return 0


def _spare_the_collector() -> None:
    """What is there before the service starts stays for good: looked through again and again by the
    garbage collector, it would hold up every answer for a tenth of a second each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class _StoppedError(Exception):
    """The service was told to stop before it listened."""


class _Server(uvicorn.Server):
    """Ends in order: first not ready, still answering and asking clients to leave; then no more is taken.

    A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self._app, self._settings = app, settings
        self.failure: OSError | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen once all is up, and say where; `failure`: why that cannot be."""
        start, holders = self.lifespan.startup, sockets or []

        async def start_and_listen() -> None:
            await start()
            if self.lifespan.should_exit:
                return
            if self._app.state.draining:  # told to stop meanwhile
                raise _StoppedError
            for holder in holders:
                holder.listen(self.config.backlog)  # uvloop would not tell of a failure

        self.lifespan.startup = start_and_listen
        try:
            await super().startup(sockets)
        except (OSError, _StoppedError) as error:
            self.failure, self.should_exit = error if isinstance(error, OSError) else None, True
            await self.lifespan.shutdown()
            return
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        for holder in holders:
            port = holder.getsockname()[1]
            print(f"Serving the page and the API at http://{host}:{port} until Ctrl-C.", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; called by a signal."""
        state = self._app.state
        if state.draining:
            self.force_exit = True
            super().handle_exit(sig, frame)
            return
        state.draining = True
        if (searcher := getattr(state, "searcher", None)) is not None:
            searcher.draining = True
        threading.Timer(self._settings.drain_seconds, super().handle_exit, (sig, frame)).start()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _cannot_listen(settings: Settings, error: OSError) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"Port {settings.port} at {settings.host} is in use by another program; "
            "stop that program or choose another port with --port."
        )
    return ServeError(
        f"Cannot listen at {settings.host} port {settings.port}: {error.strerror or error}; "
        "choose another address with --host and --port."
    )
