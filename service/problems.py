"""Every error leaves as application/problem+json (RFC 9457): type, title, status, one sentence, instance."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import RequestError
from service.schemas.problem import ClientError, Problem

log = logging.getLogger("cskt.problems")

ASK_FOR_KEY = {"WWW-Authenticate": 'Bearer realm="cskt"'}
OPENAI_SHAPED = "/v1/embeddings"
SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must hold letters or digits",
    "string_unicode": "must be valid Unicode text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "json_invalid": "is not valid JSON",
    "model_attributes_type": "must be a JSON object (sent with Content-Type: application/json)",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "tuple_type": "must be a list",
}


def problem(
    status: int,
    detail: str,
    instance: str,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem response; `title` defaults to the status's own phrase."""
    phrase = title or HTTPStatus(status).phrase
    body = Problem(
        type=f"urn:cskt:problem:{_kind(phrase)}",
        title=phrase,
        status=status,
        detail=detail,
        instance=instance,
        error=_client_error(phrase, detail) if instance == OPENAI_SHAPED else None,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), status, dict(headers or {}), media_type="application/problem+json"
    )


def problem_of(error: RequestError, instance: str) -> Problem:
    """The problem of one search of several."""
    return Problem(
        type=f"urn:cskt:problem:{_kind(error.title)}",
        title=error.title,
        status=error.status,
        detail=str(error),
        instance=instance,
        error=_client_error(error.title, str(error)) if instance == OPENAI_SHAPED else None,
    )


def _kind(title: str) -> str:
    return title.lower().replace(" ", "-")


def _note(request: Request, title: str) -> None:
    """For the metrics: what kind of problem this request met."""
    request.state.problem = _kind(title)


def _client_error(title: str, detail: str) -> ClientError:
    return ClientError(message=detail, type=_kind(title), code=_kind(title))


def add_problem_handlers(app: FastAPI) -> None:
    """Turn refusals, unknown paths and invalid requests into problems."""
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def _on_request_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if error.__cause__ is not None:  # its type only: the text may hold the words of the query
        log.error("%s failed: %s", request.scope["path"], type(error.__cause__).__name__)
    _note(request, error.title)
    path = request.scope["path"]
    if error.status == 401:  # the same wherever it is asked
        path, headers = "", headers | ASK_FOR_KEY
    return problem(error.status, str(error), path, error.title, headers)


def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    _note(request, "Invalid request")
    status = 400 if first["type"] == "json_invalid" else 422
    return problem(status, _sentence(first), request.scope["path"], "Invalid request")


def _sentence(error: Mapping[str, Any]) -> str:
    """`The field filter.cameras must be a list.`; never repeats what was sent."""
    kind = str(error["type"])
    reason = SENTENCES.get(kind)
    if reason is None:
        message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        reason = message.replace("should be", "must be").replace("should have", "must have")
    where = [str(part) for part in error["loc"][1:]] if kind != "json_invalid" else []
    where = [part for part in where if "[" not in part]  # names one of several types, no field
    if kind == "value_error" and not reason.startswith("must"):
        return f"{reason[0].upper()}{reason[1:]}."
    subject = f"The field {ascii('.'.join(where)[:200])[1:-1]}" if where else "The request body"
    return f"{subject} {reason}."


def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    sentences = {
        400: "The request body could not be read as JSON.",
        404: "There is nothing at this address; /docs lists what there is.",
        405: f"This address does not answer {request.method}; /docs lists what it answers.",
        408: "The request body did not come in time.",
        413: "The request body is too large.",
    }
    _note(request, HTTPStatus(error.status_code).phrase)
    if error.status_code == 405:  # the framework names the methods of one route only
        error.headers = {"Allow": ", ".join(sorted(request.app.state.methods(path)))}
    detail = sentences.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, path, headers=error.headers)


class UnexpectedErrors:
    """ASGI middleware: an unforeseen exception is logged and answered as a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; answer 500 when that raises before the response began."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception:
            log.exception("unexpected error at %s", scope["path"])
            if begun:
                raise
            detail = "Something unexpected went wrong; the log of the service says what."
            await problem(500, detail, scope["path"])(scope, receive, send)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of these problem statuses."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": "a problem, in one sentence", "content": content} for status in statuses}
