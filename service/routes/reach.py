"""What a route may reach.

All of it without threads: what is no coroutine, the framework would run in one, for each request anew.
"""

from typing import Annotated

from fastapi import Depends, Header, Path, Request
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from service.access import caller_of
from service.admission import Pass
from service.audit.record import Record
from service.casework.desk import Desk
from service.deadlines import budget_of_headers
from service.errors import UnknownCase
from service.scopes import Caller
from service.searcher import Searcher


async def _caller(request: Request) -> Caller:
    return caller_of(request)


async def _searcher(request: Request) -> Searcher:
    searcher = request.app.state.searcher
    assert isinstance(searcher, Searcher)
    return searcher


async def _record(request: Request) -> Record:
    record = request.state.record
    assert isinstance(record, Record)
    return record


async def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    if desk is None:
        raise UnknownCase("This service keeps no cases: it has no state folder.")
    assert isinstance(desk, Desk)
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]
TheCaller = Annotated[Caller, Depends(_caller)]
TheRecord = Annotated[Record, Depends(_record)]
TheSearcher = Annotated[Searcher, Depends(_searcher)]
ItemId = Annotated[int, Path(ge=0, le=2**63 - 1, description="the id of a hit")]


async def _pass(
    request: Request,
    deadline_ms: Annotated[
        Annotated[int, Field(ge=1, le=600_000)] | SkipJsonSchema[None],
        Header(description="milliseconds until the answer must be there"),
    ] = None,
) -> Pass:
    admitted = getattr(request.state, "admitted", None)
    return (
        admitted
        if isinstance(admitted, Pass)
        else Pass(budget_of_headers(request.headers.raw, request.app.state.settings))
    )


ThePass = Annotated[Pass, Depends(_pass)]
