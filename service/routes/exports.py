"""POST /v1/search/export: hits as a table or a contact sheet, on record as an export."""

import time
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.access import GuardedRoute
from service.printed.hits import contact_sheet, hits_csv
from service.problems import problems
from service.routes.leaving import CLIENT_CLOSED_REQUEST, unless_gone
from service.routes.questions import check_words, note_question, to_question
from service.routes.reach import TheCaller, ThePass, TheRecord, TheSearcher
from service.routes.search import note_answer, to_response
from service.schemas.examples import EXPORTS
from service.schemas.exports import ExportRequest
from service.schemas.search import MAX_DEPTH, MAX_TOP_K

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["search"])


@router.post(
    "/search/export",
    response_class=Response,
    responses=problems(400, 404, 413, 422, 500, 503)
    | {200: {"description": "a file", "content": {"text/csv": {}, "text/html": {}}}},
    summary="Take a ranking along",
)
async def export_search(
    request: Request,
    body: Annotated[ExportRequest, Body(openapi_examples=EXPORTS)],
    searcher: TheSearcher,
    admitted: ThePass,
    caller: TheCaller,
    record: TheRecord,
) -> Response:
    """The hits of a search as a file. The audit log holds who took it and who is in it."""
    started = time.perf_counter()
    note_question(record, body.search)
    check_words(request, record, body.search)
    question = await to_question(body.search, searcher, caller)
    if body.rows is not None:
        most = MAX_TOP_K if body.format == "contact-sheet" else MAX_DEPTH
        question = replace(question, top_k=min(body.rows, most, MAX_DEPTH - question.offset))
    found = await unless_gone(request, searcher.search(question, admitted))
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    note_answer(record, found, searcher)
    record.facts = {"format": body.format}
    answer = to_response(found, question, searcher, caller, started)
    first = question.offset + 1
    if body.format == "csv":
        return _file(
            hits_csv(answer, record.words, record.filter, first), "text/csv; charset=utf-8", "hits.csv"
        )
    pictures = {hit.id: await searcher.image(hit.id) for hit in answer.hits}
    by = caller.name if caller.key else ""
    facts = [("Filter", record.filter or "none")]
    if request.state.case:
        facts.append(("Case", request.state.case))
    page = contact_sheet(answer, record.words, pictures, facts, by, first)
    return _file(page, "text/html; charset=utf-8", "contact-sheet.html")


def _file(content: bytes, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)
