"""GET /v1/images/{id}: the picture of a row."""

from fastapi import APIRouter, Request, Response

from service.access import GuardedRoute
from service.problems import problems
from service.routes.reach import ItemId, TheCaller, TheRecord, TheSearcher

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["items"])


class JpegResponse(Response):
    """A picture; the browser may keep it for some minutes (in casework: not at all), nobody in between."""

    media_type = "image/jpeg"


@router.get(
    "/images/{id}",
    response_class=JpegResponse,
    responses=problems(404, 422, 503),
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
