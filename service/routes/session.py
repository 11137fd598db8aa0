"""/v1/session: a browser signs in with a key, says for which case, and signs out."""

import asyncio

from fastapi import APIRouter, Request, Response

from service.access import GuardedRoute, refuse_on_record, say_what_is_left
from service.audit.record import Record
from service.auth import TOO_MANY
from service.casework.budget import Budget
from service.errors import BadKey, NoSession, Overloaded, RequestError
from service.problems import problems
from service.routes.reach import TheCaller
from service.schemas.session import SessionCase, SessionRequest, SessionResponse
from service.scopes import LOCAL, Caller
from service.sessions import COOKIE, HOURS

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["session"])


@router.post(
    "/session",
    status_code=204,
    responses=problems(400, 401, 403, 413, 422, 429),
    summary="Sign in with a key",
)
async def begin_session(request: Request, body: SessionRequest) -> Response:
    """Answer with a cookie that stands for the key, for twelve hours or until the service restarts."""
    keys, sessions = request.app.state.keys, request.app.state.asking.sessions
    caller = keys.caller(body.key) if keys is not None else None
    if caller is None:
        wait = request.app.state.asking.bad_keys.take(request.state.address)
        if wait:
            refusal = Overloaded(TOO_MANY)
            refusal.retry_after = wait
            raise refusal
        raise BadKey("This key is not valid, or it has expired or been revoked: ask for another one.")
    await _check(request, caller, body)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        sessions.begin(caller.key, body.case, body.purpose),
        max_age=HOURS * 3600,
        path="/",
        secure=request.state.https,
        httponly=True,
        samesite="strict",
    )
    return response


@router.put(
    "/session",
    status_code=204,
    responses=problems(400, 404, 413, 422),
    summary="Work on another case",
)
async def change_session(request: Request, body: SessionCase, caller: TheCaller) -> Response:
    """From now on the session is for this case and this purpose, whatever headers say."""
    sessions, token = request.app.state.asking.sessions, request.cookies.get(COOKIE, "")
    session = sessions.find(token)
    if session is None or session.key != caller.key:
        raise NoSession("Nobody has signed in here: name the case in the header Cskt-Case.")
    await _check(request, caller, body)
    sessions.change(token, body.case, body.purpose)
    return Response(status_code=204)


@router.delete("/session", status_code=204, summary="Sign out")
async def end_session(request: Request) -> Response:
    """The cookie stands for nothing any more."""
    request.app.state.asking.sessions.end(request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/session", summary="Who is asking")
async def get_session(request: Request, response: Response, caller: TheCaller) -> SessionResponse:
    """Name and scopes of the caller, the case and the purpose it works for, and the service's profile."""
    budget: Budget | None = request.app.state.budget
    if budget is not None:
        say_what_is_left(response, await asyncio.to_thread(budget.left, caller.key))
    return SessionResponse(
        name=caller.name,
        key=caller.key,
        scopes=sorted(caller.scopes),
        cameras=None if caller.cameras is None else sorted(caller.cameras),
        case=request.state.case,
        purpose=request.state.purpose,
        profile=request.app.state.settings.profile,
        needs_key=caller is not LOCAL,
    )


async def _check(request: Request, caller: Caller, asked: SessionCase) -> None:
    """A case that is named must be one to work on. Raises CaseRequired, Forbidden, once that is on record."""
    if not asked.case:
        return
    try:
        request.app.state.gate.admit(caller, asked.case, asked.purpose)
    except RequestError as error:
        request.state.case, request.state.purpose = asked.case, asked.purpose
        await refuse_on_record(request, Record.begin("session", caller.key, caller.name), error)
