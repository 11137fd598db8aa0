"""All routes of the service, in the order of the API page."""

from service.routes import audit, docs, gallery, health, images, metrics, page, search, session

ROUTERS = (
    search.router,
    images.router,
    gallery.router,
    audit.router,
    health.router,
    metrics.router,
    docs.router,
    page.router,
    session.router,
)
