"""GET /v1/audit: who searched for whom, and saw whom. Reading it leaves a record as well."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from service.access import GuardedRoute, refuse_on_record
from service.audit.places import Places
from service.audit.reading import Wanted, page
from service.audit.writer import BookLog
from service.errors import Forbidden
from service.problems import problems
from service.routes.reach import TheCaller, TheRecord
from service.schemas.audit import AuditPage, AuditQuery, AuditRecord

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["audit"])


@router.get("/audit", responses=problems(422, 503))
async def read_audit(
    request: Request, query: Annotated[AuditQuery, Query()], caller: TheCaller, record: TheRecord
) -> AuditPage:
    """Records of searches, views, exports and changes, oldest first, a page at a time."""
    record.filter = query.model_dump_json(exclude_none=True)
    if caller.cameras is not None:
        refusal = Forbidden("The audit log is about all cameras, and this key is for some; take another.")
        await refuse_on_record(request, record, refusal)
    audit = request.app.state.audit
    if not isinstance(audit, BookLog):
        return AuditPage(records=[], next=None)
    found = await asyncio.to_thread(_page, audit.places, query)
    last = found[-1] if len(found) == query.limit else None
    return AuditPage(records=found, next=f"{last.at}/{last.book}/{last.seq}" if last else None)


def _page(places: Places, query: AuditQuery) -> list[AuditRecord]:
    after = None
    if query.after is not None:
        at, book, seq = query.after.split("/")
        after = (at, book, int(seq))
    wanted = Wanted(query.since, query.until, query.key, query.case, query.action)
    return [AuditRecord.model_validate(found) for found in page(places, wanted, after, query.limit)]
