"""The web application: builds a Searcher in its lifespan, mounts routes, middleware and error handlers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from indexer.gallery import Gallery, open_gallery
from service.admission import Admission
from service.audit.opening import open_log
from service.auth import BAD_KEYS_PER_MINUTE, Asking, Authentication
from service.body_limit import BodyLimit
from service.casework.budget import Budget
from service.casework.cases import CaseStore
from service.casework.desk import CONFIRMING, Desk
from service.casework.gate import Gate
from service.draining import Draining
from service.keys import open_keys
from service.limits import RateLimit
from service.observing.access_log import AccessLog
from service.observing.metrics import Metrics
from service.observing.request_ids import RequestIds
from service.observing.tracing import open_metrics
from service.problems import UnexpectedErrors, add_problem_handlers
from service.routes import ROUTERS, methods_of
from service.searcher import Searcher, open_searcher
from service.security_headers import SecurityHeaders
from service.sessions import Sessions
from service.settings import Settings, read_settings
from service.shedding import Shedding, SheddingMiddleware
from service.trusted_hosts import TrustedHosts
from service.writing import Writing

log = logging.getLogger("cskt.app")


def create_app(settings: Settings | None = None, searcher: Searcher | None = None, wait: int = 0) -> FastAPI:
    """The application for these settings (default: the environment's).

    `searcher`, when given, is started and closed by the app; otherwise the lifespan opens one.
    Until the encoder is warm nothing is answered for `wait` seconds; then /readyz and searches answer 503.
    """
    settings = settings or read_settings({})
    metrics = searcher.metrics if searcher is not None else open_metrics(settings.otel_endpoint)
    asking = Asking(lambda: app.state.keys, Sessions(), RateLimit(BAD_KEYS_PER_MINUTE))
    shedding = Shedding(lambda: _admission(app), settings, metrics)
    app: FastAPI = FastAPI(
        title="cskt",
        summary="Find a person in a gallery of images from a sentence.",
        version=version("cskt"),
        lifespan=_lifespan(settings, searcher, metrics, wait),
        generate_unique_id_function=lambda route: route.name,
        openapi_url=None,  # routes/docs.py
        docs_url=None,  # the framework's page loads scripts from outside; ours is routes/docs.py
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_telemetry(metrics),
        middleware=[
            Middleware(SheddingMiddleware, shedding=shedding),
            Middleware(RequestIds),
            Middleware(AccessLog, metrics=metrics),
            Middleware(Draining, draining=lambda: app.state.draining),
            Middleware(SecurityHeaders),
            Middleware(UnexpectedErrors),
            Middleware(TrustedHosts, allowed=settings.host_names),
            Middleware(Authentication, asking=asking, settings=settings),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
        ],
    )
    app.state.settings, app.state.draining, app.state.shedding = settings, False, shedding
    app.state.keys, app.state.asking, app.state.methods = None, asking, methods_of
    add_problem_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _desk(settings: Settings) -> Desk | None:
    """The cases of a service; None for an app without a gallery of its own."""
    kept = settings.gallery or settings.state
    return Desk(settings.state_folder, CONFIRMING[settings.profile]) if kept else None


def _gate(settings: Settings) -> Gate:
    casework = settings.profile == "casework"
    cases = CaseStore(settings.state_folder) if casework else None
    return Gate(cases, guarded=casework or settings.refuse_protected_traits)


def _budget(settings: Settings) -> Budget | None:
    casework = settings.profile == "casework"
    return Budget(settings.state_folder, settings.people_per_day) if casework else None


def _writer(settings: Settings) -> Callable[[], Gallery] | None:
    return partial(open_gallery, settings.gallery, write=True) if settings.gallery else None


def _admission(app: FastAPI) -> Admission | None:
    searcher = getattr(app.state, "searcher", None)
    return searcher.admission if isinstance(searcher, Searcher) else None


def _telemetry(metrics: Metrics) -> TelemetryConfig:
    """Spans of requests where traces are wanted; nothing else, and never of bodies."""
    return {
        "tracing": metrics.traces is not None,
        "tracer_provider": metrics.traces,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
    }


def _lifespan(
    settings: Settings, given: Searcher | None, metrics: Metrics, wait: int
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        searcher = given if given is not None else await asyncio.to_thread(open_searcher, settings, metrics)
        app.state.searcher, app.state.audit = searcher, await asyncio.to_thread(open_log, settings)
        app.state.keys = open_keys(settings)
        app.state.gate, app.state.budget = _gate(settings), _budget(settings)
        app.state.desk = _desk(settings)
        app.state.writing = Writing(_writer(settings))
        starting = asyncio.create_task(_start(searcher), name="cskt-start")
        await asyncio.wait([starting], timeout=wait)
        try:
            yield
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await app.state.writing.close()
            if app.state.desk is not None:
                app.state.desk.close()
            await searcher.close()
            await app.state.audit.close()
            await asyncio.to_thread(metrics.close)

    return lifespan


async def _start(searcher: Searcher) -> None:
    try:
        await searcher.start()
    except Exception:
        log.exception("the service cannot get ready")
