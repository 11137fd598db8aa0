"""GET /metrics: counts and times for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.access import GuardedRoute
from service.routes.reach import TheSearcher

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.get("/metrics")
async def metrics(searcher: TheSearcher) -> Response:
    """The text format of Prometheus; a key with the scope `metrics` opens it."""
    searcher.say_state()
    return Response(searcher.metrics.text(), media_type=CONTENT_TYPE_LATEST)
