"""/v1/cases: what is being looked for, who was found, what people decided and noted."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from service.access import GuardedRoute, spend, spend_what_is_left
from service.casework.case_file import CaseFile, Finding, case_file, person_of
from service.casework.cases import Case
from service.casework.desk import Desk
from service.casework.entries import Entry
from service.casework.row_marks import fits, row_mark
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
from service.schemas.items import Item
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
    case, caller = await _open(request, desk, id, caller)
    return await _whole(request, desk, case, searcher, caller, record)


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
    case, caller = await _open(request, desk, id, caller)
    mark, record.facts = "", body.model_dump(exclude_defaults=True)
    if isinstance(body, Pin | NewDecision):
        mark, record.shown = row_mark(await searcher.item(body.item, caller)), [body.item]
        await spend(request, record)  # refused before it is written, not after
    entry = Entry(key=caller.key, name=caller.name, mark=mark, **body.model_dump())
    await asyncio.to_thread(desk.write, id, entry)
    return await _whole(request, desk, case, searcher, caller, record)


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
    pictures = {number: await searcher.image(number) for number in record.shown}
    plain = "".join(
        c for c in case.id if c.isascii() and (c.isalnum() or c in "._-")
    )  # cases of old may differ
    return Response(
        case_report(whole, pictures, caller.name),
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="case-{plain}.html"'},
    )


async def _open(request: Request, desk: Desk, id: str, caller: Caller) -> tuple[Case, Caller]:
    """The case, in casework only the one that was given as the reason; and who sees no more than it may."""
    if request.app.state.settings.profile == "casework" and request.state.case != id:
        raise UnknownCase(f"There is no open case {id} that you may work on.")
    case = await asyncio.to_thread(desk.case, id, caller)
    return case, caller.within(case.cameras)


async def _whole(
    request: Request, desk: Desk, case: Case, searcher: Searcher, caller: Caller, record: TheRecord
) -> CaseResponse:
    """The case as it stands; people beyond the budget of this key are left without facts."""
    entries = await asyncio.to_thread(desk.entries, case.id)
    get = searcher.upkeep.serving.gallery.get
    file = await searcher.read(case_file, entries, desk.people_needed, get)
    named: list[Entry | Finding] = [*file.pins, *file.findings]
    mine = [one for one in named if _open_to(one, file, caller)]
    await spend_what_is_left(
        request, record, [one.item for one in mine if one.item is not None and not _gone(one, file)]
    )
    shown = {id: item_facts(id, file.rows[id]) for id in record.shown}
    return CaseResponse(
        **_summary(case).model_dump(),
        pins=[_pinned(one, file, shown) for one in mine if isinstance(one, Entry)],
        findings=[_judged(one, file, shown, caller) for one in mine if isinstance(one, Finding)],
        notes=[Noted(words=note.words, by=note.name, at=note.at) for note in file.notes],
        people_needed=desk.people_needed,
        withheld=len(named) - len(mine),
    )


def _open_to(one: Entry | Finding, file: CaseFile, caller: Caller) -> bool:
    """Whether the caller may see whom it is about; who is gone is nobody's."""
    return _gone(one, file) is not None or may_see(file.rows[one.item or 0], caller)


def _gone(one: Entry | Finding, file: CaseFile) -> Literal["gone", "another"] | None:
    """Why a row cannot be shown as the one that was meant."""
    row = file.rows.get(one.item or 0)
    if row is None:
        return "gone"
    return None if fits(one.mark, row) else "another"


def _pinned(pin: Entry, file: CaseFile, shown: Mapping[int, Item]) -> Pinned:
    gone, item = _gone(pin, file), pin.item or 0
    return Pinned(
        id=item,
        item=None if gone else shown.get(item),
        missing=gone or (None if item in shown else "budget"),
        checked=pin.mark != "",
        query=pin.query,
        asked=pin.asked,
        by=pin.name,
        at=pin.at,
    )


def _judged(found: Finding, file: CaseFile, shown: Mapping[int, Item], caller: Caller) -> Judged:
    gone = _gone(found, file)
    own = [one.query for one in found.decisions if _is_by(one, caller)]
    return Judged(
        id=found.item,
        item=None if gone else shown.get(found.item),
        missing=gone or (None if found.item in shown else "budget"),
        checked=found.checked,
        query=own[0] if own else found.query,
        asked=found.asked,
        state=found.state,
        decisions=[_decision(one, caller) for one in found.decisions],
    )


def _is_by(entry: Entry, caller: Caller) -> bool:
    return person_of(entry) == person_of(Entry("note", caller.key, caller.name))


def _summary(case: Case) -> CaseSummary:
    cameras = None if case.cameras is None else list(case.cameras)
    return CaseSummary(
        id=case.id, basis=case.basis, opened=case.opened, expires=case.expires, cameras=cameras
    )


def _decision(entry: Entry, caller: Caller) -> Decision:
    assert entry.verdict is not None
    return Decision(
        verdict=entry.verdict,
        item=entry.item or 0,
        by=entry.name,
        at=entry.at,
        words=entry.words,
        mine=_is_by(entry, caller),
    )
