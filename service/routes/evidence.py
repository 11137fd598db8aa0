"""POST /v1/items/{id}/evidence: which places of a picture answer which phrases of a description."""

from fastapi import APIRouter, Request, Response

from model.phrases import phrases_of
from service.access import GuardedRoute
from service.problems import problems
from service.query import clean_text
from service.routes.leaving import CLIENT_CLOSED_REQUEST, unless_gone
from service.routes.questions import check_texts
from service.routes.reach import ItemId, TheCaller, ThePass, TheRecord, TheSearcher
from service.schemas.evidence import EvidenceRequest, EvidenceResponse, PhraseEvidence

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["items"])


@router.post(
    "/items/{id}/evidence",
    response_model=EvidenceResponse,
    responses=problems(400, 404, 413, 422, 500, 503),
    summary="Where a picture answers a description",
)
async def get_evidence(
    request: Request,
    id: ItemId,
    body: EvidenceRequest,
    searcher: TheSearcher,
    admitted: ThePass,
    caller: TheCaller,
    record: TheRecord,
) -> EvidenceResponse | Response:
    """How much each phrase depends on each place of the picture. An aid for looking, no proof."""
    await searcher.item(id, caller)
    record.words, record.shown = body.text, [id]
    check_texts(request, record, [body.text])
    text, _ = clean_text(body.text)
    phrases = phrases_of(text) or [text]
    maps = await unless_gone(request, searcher.map_phrases(id, phrases, admitted))
    if maps is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return EvidenceResponse(
        phrases=[
            PhraseEvidence(text=phrase, regions=[[round(value, 3) for value in row] for row in map.tolist()])
            for phrase, map in zip(phrases, maps, strict=True)
        ]
    )
