"""POST /v1/search: from a sentence to a ranking of people."""

import asyncio
import time

from fastapi import APIRouter, Request, Response

from indexer.filters import Filter, from_choices
from service.labels import encoder_label, sources_of
from service.routes.images import item_facts
from service.routes.reach import TheSearcher, problems
from service.schemas import (
    GalleryState,
    QueryEcho,
    SearchFilter,
    SearchHit,
    SearchRequest,
    SearchResponse,
    Timing,
)
from service.searcher import Found, Searcher

router = APIRouter(prefix="/v1", tags=["search"])
CLIENT_CLOSED_REQUEST = 499  # nobody reads it; it is for the access log


@router.post("/search", response_model=SearchResponse, responses=problems(400, 413, 422, 429, 500, 503))
async def search(request: Request, body: SearchRequest, searcher: TheSearcher) -> SearchResponse | Response:
    """Rank the people of the gallery by how well their picture fits the words."""
    started = time.perf_counter()
    asking = asyncio.ensure_future(searcher.search(body.text, body.top_k, to_filter(body.filter, searcher)))
    found = await _unless_gone(request, asking)
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return to_response(found, searcher, started)


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


async def _unless_gone(request: Request, asking: "asyncio.Future[Found]") -> Found | None:
    """The result, or None when the client hung up first: its query is then dropped before it costs."""
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await asking if asking.done() else None
    finally:
        asking.cancel()
        leaving.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
