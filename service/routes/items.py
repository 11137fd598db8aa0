"""/v1/items: the facts of rows, what stands beside them, uploading and removing."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query, Request, Response

from indexer.gallery import Gallery
from indexer.items import EmbeddedItem, GalleryItem
from service.access import GuardedRoute, before_change
from service.errors import Forbidden, UnknownItem
from service.neighbours import alike, by_time, of_track
from service.problems import problems
from service.routes.reach import ItemId, TheCaller, TheRecord, TheSearcher
from service.schemas.examples import UPLOADS
from service.schemas.items import Item
from service.schemas.uploads import NeighbourItem, NeighboursResponse, UploadRequest, UploadResponse
from service.shown import item_facts, shown_facts
from service.uploading import outcome, read_uploads
from service.visible import may_see, narrowed
from service.writing import Writing

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["items"])


@router.get("/items/{id}", responses=problems(404, 422, 503), summary="The facts of a row")
async def get_item(id: ItemId, searcher: TheSearcher, caller: TheCaller, record: TheRecord) -> Item:
    """Camera, time, track, source and attributes of one person image."""
    facts = await searcher.item(id, caller)
    record.shown = [id]
    return item_facts(id, facts)


@router.get(
    "/items/{id}/neighbours",
    responses=problems(404, 422, 503),
    summary="What stands beside a row",
)
async def get_neighbours(
    id: ItemId,
    searcher: TheSearcher,
    caller: TheCaller,
    record: TheRecord,
    kind: Annotated[
        Literal["track", "time", "similar"],
        Query(description="the rest of its passage, what its camera saw around then, or who looks alike"),
    ] = "track",
    minutes: Annotated[int, Query(ge=1, le=1440, description="for time: before and after")] = 10,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
) -> NeighboursResponse:
    """Rows that belong to the same passage, were seen by the same camera around then, or look alike."""
    item, gallery = await searcher.item(id, caller), searcher.upkeep.serving.gallery
    rows: list[tuple[int, GalleryItem, float | None]]
    if kind == "similar":
        hits = await searcher.read(alike, gallery, id, narrowed(None, caller), limit)
        rows = [(hit.id, hit.item, hit.score) for hit in hits]
    else:
        found = (
            await searcher.read(of_track, gallery, id, item, limit)
            if kind == "track"
            else await searcher.read(by_time, gallery, id, item, minutes, limit)
        )
        rows = [(other, facts, None) for other, facts in found if may_see(facts, caller)]
    record.words, record.shown = f"{kind} neighbours of item {id}", [row for row, _, _ in rows]
    return NeighboursResponse(
        neighbours=[NeighbourItem(**shown_facts(row, facts), score=score) for row, facts, score in rows]
    )


@router.post(
    "/items",
    responses=problems(400, 413, 422, 500, 503, 507),
    summary="Upload crops",
)
async def upload_items(
    request: Request,
    body: Annotated[UploadRequest, Body(openapi_examples=UPLOADS)],
    searcher: TheSearcher,
    caller: TheCaller,
    record: TheRecord,
) -> UploadResponse:
    """Index crops of people. One that cannot be used is rejected with the reason; the others are stored."""
    for upload in body.items:
        if caller.cameras is not None and upload.camera not in caller.cameras:
            raise Forbidden("This key may upload for its own cameras only; name one of them.")
    gallery, asked = searcher.upkeep.serving.gallery, read_uploads(body.items, caller)
    keys = list(dict.fromkeys(one.key for one in asked if one.item is not None))
    known = await searcher.read(gallery.known, keys)
    fresh = {one.key: (one.item, one.image) for one in asked if one.item is not None and one.key not in known}
    prepared = await searcher.prepare(list(fresh.values()))
    good = [one for one in prepared if isinstance(one, EmbeddedItem)]
    reasons = {one.key: one.reason for one in prepared if not isinstance(one, EmbeddedItem)}
    record.facts = {"stored": len(good), "rejected": len(reasons), "known": len(known)}
    if good:
        await before_change(request, record)
        writing: Writing = request.app.state.writing
        await writing.add(good, searcher.upkeep.serving.encoder.fingerprint)
        await searcher.upkeep.refresh_now()
    rows = await searcher.read(_rows, searcher.upkeep.serving.gallery, keys)
    record.shown = [rows[one.item.key][0] for one in good if one.item.key in rows]
    return UploadResponse(
        items=[outcome(one, rows.get(one.key), one.key in known, reasons, caller) for one in asked]
    )


@router.delete(
    "/items/{id}",
    status_code=204,
    responses=problems(404, 422, 500, 503, 507),
    summary="Remove a row",
)
async def delete_item(
    request: Request,
    id: ItemId,
    searcher: TheSearcher,
    caller: TheCaller,
    record: TheRecord,
    erase: Annotated[bool, Query(description="to the last byte; takes seconds on a large gallery")] = False,
) -> Response:
    """Remove a person image for good: it is found no more when this is answered, and never indexed again."""
    await searcher.item(id, caller)
    record.shown, record.facts = [id], {"erase": erase}
    await before_change(request, record)
    writing: Writing = request.app.state.writing
    if not await writing.remove(id, erase=erase):
        raise UnknownItem(f"There is no item {id} in this gallery.")
    await searcher.upkeep.refresh_now()
    return Response(status_code=204)


def _rows(gallery: Gallery, keys: Sequence[str]) -> dict[str, tuple[int, GalleryItem]]:
    """The rows that have these keys now."""
    found = ((id, gallery.get(id)) for id in gallery.ids_of(keys))
    return {item.key: (id, item) for id, item in found if item is not None}
