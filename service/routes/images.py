"""GET /v1/images/{id}: the picture of a row; and which facts of a row may leave."""

from typing import Any

from fastapi import APIRouter, Request, Response

from indexer.items import GalleryItem
from indexer.labels import source_label
from service.access import GuardedRoute
from service.routes.reach import ItemId, TheCaller, TheRecord, TheSearcher, problems
from service.schemas.items import Item

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["items"])


class JpegResponse(Response):
    """A picture; the browser may keep it for some minutes (in casework: not at all), nobody in between."""

    media_type = "image/jpeg"


@router.get(
    "/images/{id}",
    response_class=JpegResponse,
    responses=problems(401, 403, 404, 422, 429, 503),
    summary="The picture of a row",
)
async def get_image(
    request: Request, id: ItemId, searcher: TheSearcher, caller: TheCaller, record: TheRecord
) -> Response:
    """The stored crop as JPEG. It was encoded anew when it was indexed and carries no metadata."""
    if caller.cameras is not None:
        await searcher.item(id, caller)
    picture = await searcher.image(id)
    record.shown = [id]
    casework = request.app.state.settings.profile == "casework"  # a closed case shows nothing any more
    return JpegResponse(
        picture, headers={"Cache-Control": "no-store" if casework else "private, max-age=300"}
    )


def item_facts(id: int, item: GalleryItem) -> Item:
    """What of a row may leave the service: no key, no uri."""
    return Item(**shown_facts(id, item))


def shown_facts(id: int, item: GalleryItem) -> dict[str, Any]:
    """The same as fields."""
    return {
        "id": id,
        "camera": item.camera,
        "seen_at": item.seen_at,
        "track": item.track,
        "source": source_label(item.source),
        "attributes": dict(item.attributes),
        "image_url": f"/v1/images/{id}",
    }
