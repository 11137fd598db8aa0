"""POST /v1/search and /v1/search/batch: from sentences and pictures to rankings of people."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from indexer.grouping import Group
from indexer.judging import Judgement as Judged
from indexer.missing_attributes import note_of_missing
from service.access import GuardedRoute, spend_what_is_left
from service.audit.record import Record
from service.errors import RequestError
from service.labels import encoder_label
from service.problems import problem_of, problems
from service.query import Question
from service.routes.leaving import CLIENT_CLOSED_REQUEST, unless_gone
from service.routes.questions import check_words, note_question, to_question
from service.routes.reach import TheCaller, ThePass, TheRecord, TheSearcher
from service.schemas.examples import BATCHES, SEARCHES
from service.schemas.search import (
    MAX_DEPTH,
    BatchAnswer,
    BatchRequest,
    BatchResponse,
    GalleryState,
    Judgement,
    PartEcho,
    QueryEcho,
    SearchHit,
    SearchRequest,
    SearchResponse,
    Timing,
)
from service.scopes import Caller
from service.searcher import Found, Searcher
from service.shown import shown_facts
from service.visible import count_open_to, narrowed

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["search"])
REFUSALS = problems(400, 404, 413, 422, 500, 503)


@router.post("/search", response_model=SearchResponse, responses=REFUSALS, summary="Search for a person")
async def search(
    request: Request,
    body: Annotated[SearchRequest, Body(openapi_examples=SEARCHES)],
    searcher: TheSearcher,
    admitted: ThePass,
    caller: TheCaller,
    record: TheRecord,
) -> Response:
    """Rank the people of the gallery by how well their picture fits the words, the picture, or both."""
    started = time.perf_counter()
    note_question(record, body)
    check_words(request, record, body)
    question = await to_question(body, searcher, caller)
    found = await unless_gone(request, searcher.search(question, admitted))
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    found = await as_far_as_allowed(request, record, found)
    note_answer(record, found, searcher)
    notes = await notes_on(found, question, searcher, caller)
    answer = to_response(found, question, searcher, caller, started, notes)
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post(
    "/search/batch", response_model=BatchResponse, responses=REFUSALS, summary="Search for several people"
)
async def search_batch(
    request: Request,
    body: Annotated[BatchRequest, Body(openapi_examples=BATCHES)],
    searcher: TheSearcher,
    admitted: ThePass,
    caller: TheCaller,
    record: TheRecord,
) -> BatchResponse | Response:
    """Up to 32 searches in one request; one that cannot be answered has a problem in its place."""
    started = time.perf_counter()
    asked = [await _question_or_refused(request, record, one, searcher, caller) for one in body.searches]
    questions = [one for one in asked if isinstance(one, Question)]
    found = await unless_gone(request, searcher.search_all(questions, admitted))
    if found is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    answers, whole = iter(found), list[BatchAnswer]()
    for question in asked:
        answer = question if isinstance(question, RequestError) else next(answers)
        if isinstance(question, Question) and isinstance(answer, Found):
            note_answer(record, answer, searcher)
            notes = await notes_on(answer, question, searcher, caller)
            response = to_response(answer, question, searcher, caller, started, notes)
            whole.append(BatchAnswer(answer=response, problem=None))
        elif isinstance(answer, RequestError):
            problem = problem_of(answer, request.scope["path"])
            searcher.metrics.refused(problem.type.rpartition(":")[2])
            whole.append(BatchAnswer(answer=None, problem=problem))
    return BatchResponse(answers=whole)


async def _question_or_refused(
    request: Request, record: Record, body: SearchRequest, searcher: Searcher, caller: Caller
) -> Question | RequestError:
    """What one search of several asks, or why it cannot."""
    note_question(record, body)
    try:
        check_words(request, record, body)
        return await to_question(body, searcher, caller)
    except RequestError as error:
        return error


async def as_far_as_allowed(request: Request, record: Record, found: Found) -> Found:
    """The answer up to the first person beyond the budget of this key.

    Where that is the very first, only it is left, and is refused with its reason when all are counted.
    """
    groups = found.ranking.groups
    allowed = set(await spend_what_is_left(request, record, shown_by(groups)))
    held = sum(1 for _ in takewhile(lambda group: group.best.id in allowed, groups))
    return found if held == len(groups) else replace(found, ranking=found.ranking.first(max(1, held)))


def shown_by(groups: Sequence[Group]) -> list[int]:
    """The rows of these groups, in order."""
    return [hit.id for group in groups for hit in (group.best, *group.others)]


def note_answer(record: Record, found: Found, searcher: Searcher) -> None:
    """And what it showed."""
    record.shown += shown_by(found.ranking.groups)
    record.encoder, record.generation = found.fingerprint, searcher.stats.generation


async def notes_on(found: Found, question: Question, searcher: Searcher, caller: Caller) -> list[str]:
    """What is to be said of a filter that lets nobody through, by the rows that the caller may see."""
    if found.ranking.passing != 0:
        return []
    gallery, visible = searcher.upkeep.serving.gallery, narrowed(None, caller)
    try:
        note = await searcher.read(note_of_missing, gallery, question.where, visible)
    except RequestError:  # the answer is good without it
        return []
    return [] if note is None else [note]


def to_response(
    found: Found,
    question: Question,
    searcher: Searcher,
    caller: Caller,
    started: float,
    notes: Sequence[str] = (),
) -> SearchResponse:
    """The answer as sent; `started` is when the request began (perf_counter)."""
    stats = searcher.stats
    items, passing = count_open_to(caller, stats), found.ranking.passing
    end = question.offset + len(found.ranking.groups)
    texts = [PartEcho(text=w.text, tokens=w.tokens, truncated=w.truncated) for w in found.words]
    first = texts[0] if texts else PartEcho(text="", tokens=0, truncated=False)
    return SearchResponse(
        query=QueryEcho(**first.model_dump(), texts=texts),
        judgement=_judged(found.ranking.judgement),
        hits=[
            _hit(group, probability)
            for group, probability in zip(
                found.ranking.groups, found.ranking.judgement.probabilities, strict=True
            )
        ],
        next_offset=end if found.ranking.more and end < MAX_DEPTH else None,
        notes=list(notes),
        gallery=GalleryState(
            items=items,
            passing=items if passing is None else passing,
            generation=stats.generation,
            encoder=encoder_label(stats.encoder),
            fingerprint=found.fingerprint,
        ),
        took_ms=Timing(
            encode=_milliseconds(found.encode_seconds),
            search=_milliseconds(found.search_seconds),
            total=_milliseconds(time.perf_counter() - started),
        ),
    )


def _hit(group: Group, probability: float | None) -> SearchHit:
    best = group.best
    return SearchHit(
        **shown_facts(best.id, best.item),
        score=round(best.score, 6),
        probability=probability if probability is None else round(probability, 4),
        others=[hit.id for hit in group.others],
    )


def _judged(judgement: Judged) -> Judgement:
    threshold, detected = judgement.threshold, judgement.detection_rate
    return Judgement(
        convincing=judgement.convincing,
        threshold=threshold if threshold is None else round(threshold, 4),
        false_alarm_rate=judgement.false_alarm_rate,
        detection_rate=detected if detected is None else round(detected, 3),
        calibrated_on=judgement.calibrated_on,
        reason=judgement.reason,
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
