"""GET /v1/encoder and POST /v1/embeddings: the encoder of this service, for other programs."""

import base64
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.access import GuardedRoute
from service.encoding import Encoded
from service.errors import WrongDimension
from service.labels import encoder_label
from service.problems import problems
from service.query import ImagePart, TextPart
from service.routes.gallery import DEMO_NOTE
from service.routes.leaving import CLIENT_CLOSED_REQUEST, unless_gone
from service.routes.reach import ThePass, TheSearcher
from service.schemas.encoder import (
    Embedding,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EncoderResponse,
    Usage,
)
from service.schemas.examples import EMBEDDINGS
from service.serving import Serving

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["encoder"])


@router.get("/encoder", responses=problems(503), summary="The encoder")
async def get_encoder(searcher: TheSearcher) -> EncoderResponse:
    """Name, fingerprint, size of the vectors, precision, and how long a text may be."""
    searcher.check_ready()
    return _describe(searcher.upkeep.serving)


@router.post(
    "/embeddings",
    response_model=EmbeddingsResponse,
    responses=problems(400, 409, 413, 422, 500, 503),
    summary="Vectors of texts and pictures",
)
async def create_embeddings(
    request: Request,
    body: Annotated[EmbeddingsRequest, Body(openapi_examples=EMBEDDINGS)],
    searcher: TheSearcher,
    admitted: ThePass,
) -> Response:
    """Unit vectors in the shape of OpenAI's embeddings; `data:image/...;base64,` inputs are pictures."""
    dimension = searcher.upkeep.serving.gallery.dimension
    if body.dimensions is not None and body.dimensions != dimension:
        raise WrongDimension(f"This encoder makes vectors of {dimension} numbers; leave dimensions out.")
    inputs = (body.input,) if isinstance(body.input, str) else body.input
    request.app.state.gate.check(one for one in inputs if not one.startswith("data:image/"))
    parts = [ImagePart(one) if one.startswith("data:image/") else TextPart(one) for one in inputs]
    encoded = await unless_gone(request, searcher.embed(parts, admitted))
    if encoded is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    tokens = sum(one.tokens for one in encoded)
    answer = EmbeddingsResponse(
        object="list",
        data=_data(encoded, body.encoding_format == "base64"),
        model=_describe(encoded[0].by).name,
        usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _describe(serving: Serving) -> EncoderResponse:
    encoder, name = serving.encoder, encoder_label(serving.encoder.name)
    return EncoderResponse(
        name=name,
        fingerprint=encoder.fingerprint,
        dimension=serving.gallery.dimension,
        precision=encoder.precision,
        context_length=encoder.context_length,
        note=DEMO_NOTE if name == "demo" else None,
    )


def _data(encoded: Sequence[Encoded], packed: bool) -> list[Embedding]:
    return [
        Embedding(
            object="embedding",
            index=index,
            embedding=base64.b64encode(one.vector.astype("<f4").tobytes()).decode()
            if packed
            else one.vector.tolist(),
        )
        for index, one in enumerate(encoded)
    ]
