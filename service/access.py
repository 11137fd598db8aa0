"""Who may do what: one table for all routes, and the route class that holds every request to it.

A route that does not stand in the table cannot be added to the app.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from service.audit.record import Record
from service.casework.budget import Budget
from service.errors import NO_KEY, BadKey, BudgetSpent, Forbidden, RequestError
from service.observing.request_ids import request_id
from service.problems import problems
from service.scopes import ANYONE, Caller, Scope

PEOPLE_LEFT = "Cskt-People-Left"


@dataclass(frozen=True)
class Access:
    """What a route asks of its caller.

    `scopes`: any one of them opens it; None: no key is needed. `action`: the name under which each answer is
    recorded before it leaves; None: it shows nobody and changes nothing.
    """

    scopes: frozenset[Scope] | None
    action: str | None = None


def _open() -> Access:
    return Access(None)


def _by(*scopes: Scope, action: str | None = None) -> Access:
    return Access(frozenset(scopes), action)


_ANY_KEY = tuple(Scope)

ACCESS: Mapping[str, Access] = {
    # health and the page itself, which holds nothing of the gallery
    "livez": _open(),
    "readyz": _open(),
    "page": _open(),
    "page_file": _open(),
    # signing in
    "begin_session": _open(),
    "change_session": _by(*_ANY_KEY),
    "end_session": _by(*_ANY_KEY),
    "get_session": _by(*_ANY_KEY),
    # what the API is
    "docs": _by(*_ANY_KEY),
    "openapi": _by(*_ANY_KEY),
    "metrics": _by(Scope.METRICS),
    # searching
    "search": _by(Scope.SEARCH, action="search"),
    "search_batch": _by(Scope.SEARCH, action="search"),
    # changing the gallery
    "upload_items": _by(Scope.INDEX, action="upload"),
    "delete_item": _by(Scope.ERASE, action="remove"),
    "get_encoder": _by(*_ANY_KEY),
    "create_embeddings": _by(Scope.SEARCH, Scope.INDEX),
    "get_gallery": _by(Scope.SEARCH, Scope.INDEX, Scope.ADMIN),
    "get_item": _by(Scope.SEARCH, action="view"),
    "get_neighbours": _by(Scope.SEARCH, action="view"),
    "get_evidence": _by(Scope.SEARCH, action="view"),
    "get_image": _by(Scope.SEARCH, action="view"),
    # cases and what leaves on paper
    "list_cases": _by(Scope.SEARCH, Scope.ADMIN),
    "open_case": _by(Scope.ADMIN, action="case open"),
    "close_case": _by(Scope.ADMIN, action="case close"),
    "get_case": _by(Scope.SEARCH, action="case view"),
    "add_entry": _by(Scope.SEARCH, action="case entry"),
    "get_report": _by(Scope.SEARCH, action="report"),
    "export_search": _by(Scope.SEARCH, action="export"),
    "get_jobs": _by(Scope.SEARCH, Scope.INDEX, Scope.ADMIN),
    "get_rejected": _by(Scope.SEARCH, Scope.INDEX, Scope.ADMIN),
    "get_timeline": _by(Scope.SEARCH, Scope.INDEX, Scope.ADMIN),
    # the audit log
    "read_audit": _by(Scope.AUDIT, action="audit"),
}
"""By the name of the route's function, which is the operation's id too."""


SESSION_PATH = "/v1/session"
_OPEN_PATHS = ("/", "/livez", "/readyz", SESSION_PATH)


def is_open(path: str) -> bool:
    """Whether an address needs no key: health, signing in, and the page, which holds nothing itself."""
    return path in _OPEN_PATHS or path.startswith("/static/")


KEY = HTTPBearer(
    scheme_name="key",
    description="A key of `cskt key create`; the header Api-Key and a browser's session do too. On loopback, "
    "while there is no key, nothing is asked for.",
    auto_error=False,
)
"""How a key is shown, for the description of the API; authentication itself is `auth.py`."""


class GuardedRoute(APIRoute):
    """Checks the caller before the body is read, and records the answer before it is sent."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:  # noqa: ANN401
        if ACCESS[settings.get("name") or endpoint.__name__].scopes is not None:
            settings["responses"] = problems(401, 403, 429) | (settings.get("responses") or {})
            others = [one for one in settings.get("dependencies") or () if one.dependency is not KEY]
            settings["dependencies"] = [*others, Security(KEY)]
        super().__init__(path, endpoint, **settings)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its guard. Raises KeyError for a route that the table does not know."""
        handle, access = super().get_route_handler(), ACCESS[self.name]

        async def guarded(request: Request) -> Response:
            caller = caller_of(request)
            if access.scopes is not None and not access.scopes & caller.scopes:
                if caller is ANYONE:
                    raise BadKey(NO_KEY)
                record = Record.begin(access.action or self.name, caller.key, caller.name)
                await refuse_on_record(
                    request,
                    record,
                    Forbidden("This key is not good for that; ask for one with another scope."),
                )
            if access.action is None:
                if access.scopes is not None:
                    case = getattr(request.state, "case", "")
                    request.state.caller = request.app.state.gate.narrowed(caller, case)
                return await handle(request)
            record = Record.begin(access.action, caller.key, caller.name)
            return await _recorded(request, record, handle, Scope.SEARCH in (access.scopes or ()))

        return guarded


def caller_of(request: Request) -> Caller:
    """Who asks, as the authentication found out."""
    caller = getattr(request.state, "caller", ANYONE)
    assert isinstance(caller, Caller)
    return caller


async def _recorded(
    request: Request,
    record: Record,
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
    shows_people: bool,
) -> Response:
    """The answer, once its record is durable. Refusals are recorded where it is said why."""
    request.state.record = record
    try:
        if shows_people:
            _admit(request, record)
        response = await handle(request)
        if shows_people and response.status_code < 400:
            say_what_is_left(response, await spend(request, record))
    except RequestError as error:
        if record.refusal or "stage" in record.facts:
            record.status = error.status
            await _write(request, record)
        raise
    record.status = response.status_code
    if response.status_code < 400:
        await _write(request, record)
    return response


async def refuse_on_record(request: Request, record: Record, refusal: RequestError) -> NoReturn:
    """Raises the refusal once it is on record that this was tried."""
    record.refusal, record.status = str(refusal), refusal.status
    await _write(request, record)
    raise refusal


async def before_change(request: Request, record: Record) -> None:
    """Put on record what is about to be changed, so that no change can stand there without one.

    What came of it is a second record of the same request. Raises NotRecorded: then nothing must be changed.
    """
    facts = record.facts
    record.facts = {**facts, "stage": "begun"}
    await _write(request, record)
    record.facts = {**facts, "stage": "ended"}


async def spend(request: Request, record: Record) -> int | None:
    """Take who is about to be shown off the budget of this key; returns how many people are left today.

    None where there is no budget. Raises BudgetSpent, on record.
    """
    budget: Budget | None = request.app.state.budget
    if budget is None:
        return None
    item_of = request.app.state.searcher.upkeep.serving.gallery.get
    try:
        return await asyncio.to_thread(budget.spend, record.key, record.shown, item_of)
    except BudgetSpent as error:
        record.shown, record.refusal = [], str(error)
        raise


async def spend_what_is_left(request: Request, record: Record, ids: Sequence[int]) -> list[int]:
    """Of these rows those that the budget of this key still allows, now counted."""
    budget: Budget | None = request.app.state.budget
    if budget is None:
        return list(dict.fromkeys(ids))
    item_of = request.app.state.searcher.upkeep.serving.gallery.get
    return await asyncio.to_thread(budget.spend_what_is_left, record.key, ids, item_of)


def say_what_is_left(response: Response, left: int | None) -> None:
    """In a header of the answer: how many further people the caller may be shown today."""
    if left is not None:
        response.headers[PEOPLE_LEFT] = str(left)


def _admit(request: Request, record: Record) -> None:
    """Ask the gate of the profile; a case may narrow what the caller sees. Raises RequestError."""
    state = request.state
    case, purpose = getattr(state, "case", ""), getattr(state, "purpose", "")
    try:
        state.caller = request.app.state.gate.admit(caller_of(request), case, purpose)
    except RequestError as error:
        record.refusal = str(error)
        raise


async def _write(request: Request, record: Record) -> None:
    record.request = request_id.get()
    record.address = getattr(request.state, "address", "")
    record.case, record.purpose = getattr(request.state, "case", ""), getattr(request.state, "purpose", "")
    with request.app.state.searcher.metrics.stage("audit"):
        await request.app.state.audit.write(record)
