"""/v1/items: the facts of rows, what stands beside them, uploading and removing."""

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query, Request, Response

from indexer.items import EmbeddedItem, GalleryItem
from service.access import GuardedRoute
from service.errors import Forbidden, UnknownItem
from service.neighbours import alike, by_time, of_track
from service.pictures import picture_bytes
from service.routes.reach import ItemId, TheCaller, TheRecord, TheSearcher, problems
from service.schemas.examples import UPLOADS
from service.schemas.items import Item
from service.schemas.uploads import (
    NeighbourItem,
    NeighboursResponse,
    Upload,
    Uploaded,
    UploadRequest,
    UploadResponse,
)
from service.scopes import Caller
from service.searcher import Searcher
from service.shown import item_facts, shown_facts
from service.visible import may_see, narrowed
from service.writing import Writing

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["items"])
SOURCE = "api:"


@router.get("/items/{id}", responses=problems(401, 403, 404, 422, 429, 503), summary="The facts of a row")
async def get_item(id: ItemId, searcher: TheSearcher, caller: TheCaller, record: TheRecord) -> Item:
    """Camera, time, track, source and attributes of one person image."""
    facts = await searcher.item(id, caller)
    record.shown = [id]
    return item_facts(id, facts)


@router.get(
    "/items/{id}/neighbours",
    responses=problems(401, 403, 404, 422, 429, 503),
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
    responses=problems(400, 401, 403, 413, 422, 429, 500, 503, 507),
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
    items = [to_item(upload, caller) for upload in body.items]
    keys = [item.key for item in items]
    known = await searcher.read(searcher.upkeep.serving.gallery.known, keys)
    fresh = {item.key: (item, one.image) for item, one in zip(items, body.items, strict=True)}
    prepared = await searcher.prepare([pair for key, pair in fresh.items() if key not in known])
    good = [one for one in prepared if isinstance(one, EmbeddedItem)]
    reasons = {one.key: one.reason for one in prepared if not isinstance(one, EmbeddedItem)}
    if good:
        writing: Writing = request.app.state.writing
        await writing.add(good, searcher.upkeep.serving.encoder.fingerprint)
        await searcher.upkeep.refresh_now()
    ids = await _ids(searcher, keys)
    record.shown = [ids[item.item.key] for item in good if item.item.key in ids]
    record.facts = {"stored": len(good), "rejected": len(reasons), "known": len(known)}
    return UploadResponse(items=[_outcome(key, ids, known, reasons) for key in keys])


@router.delete(
    "/items/{id}",
    status_code=204,
    responses=problems(401, 403, 404, 422, 429, 500, 503, 507),
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
    writing: Writing = request.app.state.writing
    if not await writing.remove(id, erase=erase):
        raise UnknownItem(f"There is no item {id} in this gallery.")
    await searcher.upkeep.refresh_now()
    return Response(status_code=204)


def to_item(upload: Upload, caller: Caller) -> GalleryItem:
    """The facts of an upload as a row. Raises BadQuery for a picture that is no base64."""
    key = upload.key or f"sha256:{hashlib.sha256(picture_bytes(upload.image)).hexdigest()}"
    return GalleryItem(
        key=key,
        uri=key,
        source=f"{SOURCE}{caller.name}",
        camera=upload.camera,
        seen_at=upload.seen_at,
        track=upload.track,
        attributes=dict(upload.attributes),
    )


async def _ids(searcher: Searcher, keys: list[str]) -> dict[str, int]:
    gallery, ids = searcher.upkeep.serving.gallery, {}
    for key in dict.fromkeys(keys):
        for id in await searcher.read(gallery.ids_of, [key]):
            ids[key] = id
    return ids


def _outcome(key: str, ids: dict[str, int], known: set[str], reasons: dict[str, str]) -> Uploaded:
    if key in reasons:
        return Uploaded(key=key, status="rejected", id=None, reason=reasons[key])
    reason = "was removed for good" if key in known and key not in ids else None
    return Uploaded(key=key, status="known" if key in known else "stored", id=ids.get(key), reason=reason)
