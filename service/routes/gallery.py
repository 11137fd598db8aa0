"""GET /v1/gallery: what can be searched, by what it can be filtered, and when people were seen."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request

from indexer.filters import OneOf
from indexer.gallery import local_folder
from indexer.items import GalleryStats
from indexer.jobs import read_jobs
from indexer.labels import file_label, source_label
from service.access import GuardedRoute
from service.facets import is_sampled
from service.labels import encoder_label, label_counts, reason_label
from service.problems import problems
from service.routes.reach import TheCaller, TheSearcher
from service.schemas.contract import Name
from service.schemas.gallery import (
    AttributeCount,
    AttributeFacet,
    GalleryResponse,
    IndexJob,
    JobsResponse,
    RejectedFile,
    RejectedResponse,
    TimelineResponse,
)
from service.settings import Settings
from service.visible import narrowed

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["gallery"])

DEMO_NOTE = (
    "The demo encoder learned from synthetic people only: it is for trying cskt out, not for real cases."
)


@router.get("/gallery", responses=problems(503))
async def get_gallery(searcher: TheSearcher, caller: TheCaller) -> GalleryResponse:
    """Counts, cameras, sources, times, and attributes with their most common values.

    A caller that may see some cameras only is told what they hold, and nothing that was counted over others.
    """
    stats = searcher.stats
    if caller.cameras is not None:
        return _of_cameras(stats, caller.cameras)
    facets = [
        AttributeFacet(
            name=facet.name,
            values=[AttributeCount(value=value, count=count) for value, count in facet.values],
            sampled=is_sampled(stats.items),
        )
        for facet in searcher.facets
    ]
    return GalleryResponse(
        items=stats.items,
        rejected=stats.rejected,
        dimension=stats.dimension,
        encoder=encoder_label(stats.encoder),
        encoder_note=DEMO_NOTE if stats.encoder == "demo" else None,
        fingerprint=stats.fingerprint,
        generation=stats.generation,
        cameras=dict(stats.cameras),
        sources=label_counts(stats.sources),
        attributes=facets,
        first_seen=stats.first_seen,
        last_seen=stats.last_seen,
        last_indexed=await searcher.read(searcher.upkeep.serving.gallery.newest),
        index_kind=stats.index_kind,
        index=stats.index,
        fresh=stats.fresh,
        bytes_on_disk=stats.bytes_on_disk,
    )


@router.get("/gallery/timeline", responses=problems(400, 422, 503), summary="When people were seen")
async def get_timeline(
    searcher: TheSearcher,
    caller: TheCaller,
    steps: Annotated[int, Query(ge=2, le=500, description="how many at most")] = 60,
    camera: Annotated[tuple[Name, ...], Query(max_length=100, description="of any of these")] = (),
) -> TimelineResponse:
    """How many rows there are from step to step, in steps of equal length."""
    where = narrowed(OneOf("camera", camera) if camera else None, caller)
    found = await searcher.read(searcher.upkeep.serving.gallery.timeline, steps, where)
    return TimelineResponse(edges=list(found.edges), counts=list(found.counts))


@router.get("/gallery/jobs", responses=problems(503), summary="Index jobs, as they run")
async def get_jobs(request: Request, searcher: TheSearcher, caller: TheCaller) -> JobsResponse:
    """Those that run or ran lately; none for a caller that may see some cameras only."""
    settings: Settings = request.app.state.settings
    if caller.cameras is not None or not settings.gallery:
        return JobsResponse(jobs=[])
    jobs = await searcher.read(read_jobs, local_folder(settings.gallery))
    return JobsResponse(jobs=[IndexJob(**asdict(job)) for job in jobs])


@router.get("/gallery/rejected", responses=problems(422, 503), summary="Files that could not be used")
async def get_rejected(
    searcher: TheSearcher, caller: TheCaller, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> RejectedResponse:
    """The latest ones and why; none for a caller that may see some cameras only."""
    if caller.cameras is not None:
        return RejectedResponse(rejected=[])
    found = await searcher.read(searcher.upkeep.serving.gallery.rejected, limit)
    files = [
        RejectedFile(
            name=file_label(one.uri),
            source=source_label(one.source),
            reason=reason_label(one),
        )
        for one in found
    ]
    return RejectedResponse(rejected=files)


def _of_cameras(stats: GalleryStats, cameras: frozenset[str]) -> GalleryResponse:
    counts = {camera: count for camera, count in stats.cameras.items() if camera in cameras}
    return GalleryResponse(
        items=sum(counts.values()),
        rejected=0,
        dimension=stats.dimension,
        encoder=encoder_label(stats.encoder),
        encoder_note=DEMO_NOTE if stats.encoder == "demo" else None,
        fingerprint=stats.fingerprint,
        generation=stats.generation,
        cameras=counts,
        sources={},
        attributes=[],
        first_seen=None,
        last_seen=None,
        last_indexed=None,
        index_kind=None,
        index=None,
        fresh=None,
        bytes_on_disk=None,
    )
