"""/v1/cases: what is being looked for, who was found, what people decided and noted."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from indexer.items import GalleryItem
from service.access import GuardedRoute
from service.casework.case_file import CaseFile
from service.casework.cases import Case
from service.casework.desk import Desk
from service.casework.entries import Entry
from service.errors import UnknownCase
from service.printed.case_report import case_report
from service.routes.images import item_facts
from service.routes.reach import TheCaller, TheDesk, TheRecord, TheSearcher, problems
from service.schemas.cases import (
    CaseResponse,
    CasesResponse,
    CaseSummary,
    Decision,
    Judged,
    NewDecision,
    NewEntry,
    Noted,
    OpenCase,
    Pin,
    Pinned,
)
from service.scopes import Caller, Scope
from service.searcher import Searcher
from service.visible import may_see

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["cases"])
REFUSALS = problems(401, 403, 404, 422, 429, 503)
AnId = Annotated[str, Path(max_length=500, alias="id", description="the name of a case")]


@router.get("/cases", responses=REFUSALS, summary="The cases that are open")
async def list_cases(caller: TheCaller, desk: TheDesk) -> CasesResponse:
    """Those that the caller may work on."""
    cases = await asyncio.to_thread(desk.listed, caller)
    return CasesResponse(
        cases=[_summary(case) for case in cases],
        may_open=Scope.ADMIN in caller.scopes,
        people_needed=desk.people_needed,
    )


@router.post("/cases", status_code=201, responses=problems(400, 401, 403, 409, 413, 422, 429, 503))
async def open_case(body: OpenCase, desk: TheDesk, record: TheRecord) -> CaseSummary:
    """Open a case."""
    record.facts = body.model_dump()
    return _summary(await asyncio.to_thread(desk.begin, body.id, body.basis, body.days))


@router.delete("/cases/{id}", status_code=204, responses=REFUSALS)
async def close_case(id: AnId, desk: TheDesk, record: TheRecord) -> Response:
    """Close a case: nobody is shown for it any more."""
    record.facts = {"id": id}
    await asyncio.to_thread(desk.end, id)
    return Response(status_code=204)


@router.get("/cases/{id}", responses=REFUSALS, summary="A case and its file")
async def get_case(
    request: Request, id: AnId, desk: TheDesk, searcher: TheSearcher, caller: TheCaller, record: TheRecord
) -> CaseResponse:
    """Who is pinned, what was decided, what was noted."""
    case = await _open(request, desk, id, caller)
    return await _whole(desk, case, searcher, caller, record)


@router.post(
    "/cases/{id}/entries",
    status_code=201,
    responses=problems(400, 401, 403, 404, 413, 422, 429, 503),
    summary="Write into the file of a case",
)
async def add_entry(
    request: Request,
    id: AnId,
    body: NewEntry,
    desk: TheDesk,
    searcher: TheSearcher,
    caller: TheCaller,
    record: TheRecord,
) -> CaseResponse:
    """Pin somebody, note something, or decide whether a row shows the person searched for."""
    case = await _open(request, desk, id, caller)
    if isinstance(body, Pin | NewDecision):
        await searcher.item(body.item, caller)
    record.facts = body.model_dump(exclude_defaults=True)
    entry = Entry(key=caller.key, name=caller.name, **body.model_dump())
    await asyncio.to_thread(desk.write, id, entry)
    return await _whole(desk, case, searcher, caller, record)


@router.get(
    "/cases/{id}/report",
    response_class=Response,
    responses=REFUSALS | {200: {"content": {"text/html": {}}}},
    summary="The file of a case, to be printed",
)
async def get_report(
    request: Request, id: AnId, desk: TheDesk, searcher: TheSearcher, caller: TheCaller, record: TheRecord
) -> Response:
    """One page of HTML that holds everything, pictures too, and needs nothing else."""
    case = await _open(request, desk, id, caller)
    whole = await _whole(desk, case, searcher, caller, record)
    pictures = {number: await searcher.image(number) for number in record.shown}
    name = f'attachment; filename="case-{"".join(c for c in case.id if c.isalnum() or c in "._-")}.html"'
    return Response(
        case_report(whole, pictures, caller.name),
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": name},
    )


async def _open(request: Request, desk: Desk, id: str, caller: Caller) -> Case:
    """The case; in casework only the one that was given as the reason."""
    if request.app.state.settings.profile == "casework" and request.state.case != id:
        raise UnknownCase(f"There is no open case {id} that you may work on.")
    return await asyncio.to_thread(desk.case, id, caller)


async def _whole(
    desk: Desk, case: Case, searcher: Searcher, caller: Caller, record: TheRecord
) -> CaseResponse:
    file = await asyncio.to_thread(desk.file, case.id)
    rows = await searcher.read(_rows, searcher.upkeep.serving.gallery.get, file)
    rows = {id: row for id, row in rows.items() if may_see(row, caller)}
    record.shown = list(rows)
    shown = {id: item_facts(id, row) for id, row in rows.items()}
    pins = [
        Pinned(
            id=pin.item,
            item=shown.get(pin.item),
            query=pin.query,
            asked=pin.asked,
            by=pin.name,
            at=pin.at,
        )
        for pin in file.pins
        if pin.item is not None
    ]
    findings = [
        Judged(
            id=found.item,
            item=shown.get(found.item),
            query=found.query,
            asked=found.asked,
            state=found.state,
            decisions=[_decision(one, caller) for one in found.decisions],
        )
        for found in file.findings
    ]
    return CaseResponse(
        **_summary(case).model_dump(),
        pins=pins,
        findings=findings,
        notes=[Noted(words=note.words, by=note.name, at=note.at) for note in file.notes],
        people_needed=desk.people_needed,
    )


def _rows(get: Callable[[int], GalleryItem | None], file: CaseFile) -> dict[int, GalleryItem]:
    """The rows that a file names, those that are still there."""
    named = [entry.item for entry in file.pins] + [found.item for found in file.findings]
    rows = {id: get(id) for id in dict.fromkeys(named) if id is not None}
    return {id: row for id, row in rows.items() if row is not None}


def _summary(case: Case) -> CaseSummary:
    cameras = None if case.cameras is None else list(case.cameras)
    return CaseSummary(
        id=case.id, basis=case.basis, opened=case.opened, expires=case.expires, cameras=cameras
    )


def _decision(entry: Entry, caller: Caller) -> Decision:
    assert entry.verdict is not None
    mine = entry.key == caller.key
    return Decision(verdict=entry.verdict, by=entry.name, at=entry.at, words=entry.words, mine=mine)
