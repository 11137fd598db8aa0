"""All routes of the service, in the order of the API page."""

from fastapi.routing import APIRoute

from service.routes import (
    audit,
    cases,
    docs,
    encoder,
    evidence,
    exports,
    gallery,
    health,
    images,
    items,
    metrics,
    page,
    search,
    session,
)


def methods_of(path: str) -> set[str]:
    """What the routes at this address answer to."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}


ROUTERS = (
    search.router,
    images.router,
    items.router,
    evidence.router,
    gallery.router,
    cases.router,
    exports.router,
    audit.router,
    health.router,
    metrics.router,
    docs.router,
    encoder.router,
    page.router,
    session.router,
)
