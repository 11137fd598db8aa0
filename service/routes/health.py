"""GET /livez and /readyz: is the process there, can it answer."""

from fastapi import APIRouter

from service.access import GuardedRoute
from service.errors import NotReady
from service.problems import problems
from service.routes.reach import TheSearcher
from service.schemas.health import Health

router = APIRouter(route_class=GuardedRoute, tags=["health"])


@router.get("/livez")
async def livez() -> Health:
    """200 as long as the process answers at all."""
    return Health(status="alive")


@router.get("/readyz", responses=problems(503))
async def readyz(searcher: TheSearcher) -> Health:
    """200 once the gallery is open and the encoder warm, 503 before and while stopping."""
    if not searcher.ready:
        raise NotReady("The service is starting or stopping; try again in a few seconds.")
    return Health(status="ready")
