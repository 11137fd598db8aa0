"""GET /v1/images/{id} and /v1/items/{id}: one row of the gallery, its picture and its facts."""

from fastapi import APIRouter, Response

from indexer.items import GalleryItem
from service.labels import source_label
from service.routes.reach import ItemId, TheSearcher, problems
from service.schemas import Item

router = APIRouter(prefix="/v1", tags=["items"])


class JpegResponse(Response):
    """A picture; it may be kept by the browser for some minutes, by nobody in between."""

    media_type = "image/jpeg"


@router.get("/images/{id}", response_class=JpegResponse, responses=problems(404, 422, 503))
async def image(id: ItemId, searcher: TheSearcher) -> Response:
    """The stored crop as JPEG. It was encoded anew when it was indexed and carries no metadata."""
    return JpegResponse(await searcher.image(id), headers={"Cache-Control": "private, max-age=300"})


@router.get("/items/{id}", responses=problems(404, 422, 503))
async def item(id: ItemId, searcher: TheSearcher) -> Item:
    """The facts of one row."""
    return item_facts(id, await searcher.item(id))


def item_facts(id: int, item: GalleryItem) -> Item:
    """What of a row may leave the service: no key, no uri."""
    return Item(
        id=id,
        camera=item.camera,
        seen_at=item.seen_at,
        track=item.track,
        source=source_label(item.source),
        attributes=dict(item.attributes),
        image_url=f"/v1/images/{id}",
    )
