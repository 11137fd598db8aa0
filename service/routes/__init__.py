"""All routes of the service, in the order of the API page."""

from service.routes import docs, gallery, health, images, metrics, page, search

ROUTERS = (
    search.router,
    images.router,
    gallery.router,
    health.router,
    metrics.router,
    docs.router,
    page.router,
)
