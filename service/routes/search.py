"""POST /v1/search: from a sentence to a ranking of people."""

import time

from fastapi import APIRouter, Request, Response

from indexer.filters import Filter, from_choices
from service.access import GuardedRoute
from service.audit.record import Record
from service.labels import encoder_label, sources_of
from service.routes.images import item_facts
from service.routes.leaving import CLIENT_CLOSED_REQUEST, unless_gone
from service.routes.reach import TheRecord, TheSearcher, problems
from service.schemas.search import (
    GalleryState,
    QueryEcho,
    SearchFilter,
    SearchHit,
    SearchRequest,
    SearchResponse,
    Timing,
)
from service.searcher import Found, Searcher

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["search"])


@router.post("/search", response_model=SearchResponse, responses=problems(400, 413, 422, 429, 500, 503))
async def search(
    request: Request, body: SearchRequest, searcher: TheSearcher, record: TheRecord
) -> SearchResponse | Response:
    """Rank the people of the gallery by how well their picture fits the words."""
    started = time.perf_counter()
    where = to_filter(body.filter, searcher)
    found = await unless_gone(request, searcher.search(body.text, body.top_k, where))
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    note(record, found, searcher, body.filter)
    return to_response(found, searcher, started)


def note(record: Record, found: Found, searcher: Searcher, where: SearchFilter | None) -> None:
    """What the audit log is to know of a search."""
    record.words, record.shown = found.text, [hit.id for hit in found.hits]
    record.filter = "" if where is None else where.model_dump_json(exclude_defaults=True)
    record.encoder, record.generation = searcher.stats.fingerprint, searcher.stats.generation


def to_filter(given: SearchFilter | None, searcher: Searcher) -> Filter | None:
    """The filter as the gallery takes it, with sources by their full names."""
    if given is None:
        return None
    sources = None if given.sources is None else sources_of(given.sources, searcher.stats.sources)
    return from_choices(
        cameras=given.cameras,
        tracks=given.tracks,
        sources=sources,
        seen_from=given.seen_from,
        seen_until=given.seen_until,
        attributes=given.attributes,
    )


def to_response(found: Found, searcher: Searcher, started: float) -> SearchResponse:
    """The answer as sent; `started` is when the request began (perf_counter)."""
    stats = searcher.stats
    hits = [
        SearchHit(**item_facts(hit.id, hit.item).model_dump(), score=round(hit.score, 6))
        for hit in found.hits
    ]
    return SearchResponse(
        query=QueryEcho(text=found.text, tokens=found.tokens, truncated=found.truncated),
        hits=hits,
        gallery=GalleryState(
            items=stats.items,
            generation=stats.generation,
            encoder=encoder_label(stats.encoder),
            fingerprint=stats.fingerprint,
        ),
        took_ms=Timing(
            encode=_milliseconds(found.encode_seconds),
            search=_milliseconds(found.search_seconds),
            total=_milliseconds(time.perf_counter() - started),
        ),
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
