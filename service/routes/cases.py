"""/v1/cases: what is being looked for, who was found, what people decided and noted."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.access import GuardedRoute, before_change, spend, spend_what_is_left
from service.casework.answers import case_answer, case_summary, is_pinned_for, rows_open_to
from service.casework.case_file import CaseFile, case_file
from service.casework.cases import Case
from service.casework.desk import Desk
from service.casework.entries import Entry
from service.casework.row_marks import row_mark
from service.errors import UnknownCase, UnknownItem
from service.labels import encoder_label
from service.printed.case_report import case_report
from service.problems import problems
from service.routes.questions import check_texts
from service.routes.reach import TheCaller, TheDesk, TheRecord, TheSearcher
from service.schemas.cases import (
    CaseResponse,
    CasesResponse,
    CaseSummary,
    NewDecision,
    NewEntry,
    OpenCase,
    Pin,
    Unpin,
)
from service.scopes import Caller, Scope
from service.searcher import Searcher

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["cases"])
REFUSALS = problems(404, 422, 503)
AnId = Annotated[str, Path(max_length=500, alias="id", description="the name of a case")]

WithPeople = Annotated[
    bool,
    Query(alias="people", description="false: no facts of anybody, and so nobody counts as shown"),
]


@router.get("/cases", responses=REFUSALS, summary="The cases that are open")
async def list_cases(caller: TheCaller, desk: TheDesk) -> CasesResponse:
    """Those that the caller may work on."""
    cases = await asyncio.to_thread(desk.listed, caller)
    return CasesResponse(
        cases=[case_summary(case) for case in cases],
        may_open=Scope.ADMIN in caller.scopes,
        people_needed=desk.people_needed,
    )


@router.post("/cases", status_code=201, responses=problems(400, 409, 413, 422, 503))
async def open_case(request: Request, body: OpenCase, desk: TheDesk, record: TheRecord) -> CaseSummary:
    """Open a case."""
    record.facts = body.model_dump()
    await before_change(request, record)
    return case_summary(await asyncio.to_thread(desk.begin, body.id, body.basis, body.days))


@router.delete("/cases/{id}", status_code=204, responses=REFUSALS)
async def close_case(request: Request, id: AnId, desk: TheDesk, record: TheRecord) -> Response:
    """Close a case: nobody is shown for it any more."""
    record.facts = {"id": id}
    await before_change(request, record)
    await asyncio.to_thread(desk.end, id)
    return Response(status_code=204)


@router.get("/cases/{id}", responses=REFUSALS, summary="A case and its file")
async def get_case(
    request: Request,
    id: AnId,
    desk: TheDesk,
    searcher: TheSearcher,
    caller: TheCaller,
    record: TheRecord,
    with_people: WithPeople = True,
) -> CaseResponse:
    """Who is pinned, what was decided, what was noted."""
    case, caller = await _open(request, desk, id, caller)
    return await _whole(request, desk, case, searcher, caller, record, with_people=with_people)


@router.post(
    "/cases/{id}/entries",
    status_code=201,
    responses=problems(400, 404, 413, 422, 503),
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
    with_people: WithPeople = True,
) -> CaseResponse:
    """Pin somebody, note something, or decide whether a row shows the person searched for."""
    case, caller = await _open(request, desk, id, caller)
    mark, record.facts = "", body.model_dump(exclude_defaults=True)
    if isinstance(body, Pin | NewDecision):
        check_texts(request, record, [body.query])
        mark, record.shown = row_mark(await searcher.item(body.item, caller)), [body.item]
        await spend(request, record)  # refused before it is written, not after
    if isinstance(body, Unpin) and not is_pinned_for(await _file(desk, case, searcher), caller, body.item):
        raise UnknownItem(f"Number {body.item} is not pinned in this file.")
    entry = Entry(key=caller.key, name=caller.name, mark=mark, **body.model_dump())
    await before_change(request, record)
    await asyncio.to_thread(desk.write, id, entry)
    return await _whole(request, desk, case, searcher, caller, record, with_people=with_people)


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
    case, caller = await _open(request, desk, id, caller)
    whole = await _whole(request, desk, case, searcher, caller, record)
    pictures = {}
    for number in record.shown:
        with suppress(UnknownItem):  # it has been removed this very moment
            pictures[number] = await searcher.image(number)
    plain = "".join(
        c for c in case.id if c.isascii() and (c.isalnum() or c in "._-")
    )  # cases of old may differ
    page = case_report(
        whole,
        pictures,
        caller.name if caller.key else "",
        encoder=encoder_label(searcher.stats.encoder),
        purpose=request.state.purpose,
    )
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="case-{plain}.html"'},
    )


async def _open(request: Request, desk: Desk, id: str, caller: Caller) -> tuple[Case, Caller]:
    """The case, in casework only the one that was given as the reason; and who sees no more than it may."""
    if request.app.state.settings.profile == "casework" and request.state.case != id:
        raise UnknownCase(f"There is no open case {id} that you may work on.")
    case = await asyncio.to_thread(desk.case, id, caller)
    return case, caller.within(case.cameras)


async def _file(desk: Desk, case: Case, searcher: Searcher) -> CaseFile:
    entries = await asyncio.to_thread(desk.entries, case.id)
    return await searcher.read(case_file, entries, desk.people_needed, searcher.upkeep.serving.gallery.get)


async def _whole(
    request: Request,
    desk: Desk,
    case: Case,
    searcher: Searcher,
    caller: Caller,
    record: TheRecord,
    *,
    with_people: bool = True,
) -> CaseResponse:
    """The case as it stands; people beyond the budget of this key are left without facts."""
    file = await _file(desk, case, searcher)
    if not with_people:
        return case_answer(case, file, caller, None, desk.people_needed)
    record.shown = await spend_what_is_left(request, record, rows_open_to(file, caller))
    return case_answer(case, file, caller, record.shown, desk.people_needed)
