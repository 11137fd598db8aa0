"""POST /v1/search and /v1/search/batch: what is asked, and the ranking."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from service.schemas.contract import NUMBER, WORDY, Contract, unicode_text
from service.schemas.filter import SearchFilter
from service.schemas.items import Item
from service.schemas.problem import Problem

MAX_TOP_K, MAX_DEPTH, MAX_PARTS, MAX_SEARCHES = 200, 10_000, 16, 32

Words = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60_000),
    WORDY,
    AfterValidator(unicode_text),
    Field(description="what the person looks like, in English; at least one letter or digit"),
]
Picture = Annotated[
    str,
    StringConstraints(min_length=1, pattern=r"^[\x20-\x7e]+$"),
    Field(
        description="a JPEG, PNG or WebP, as base64 or a data URI; 10 MB at most",
        json_schema_extra={"format": "picture"},
    ),
]
Weight = Annotated[
    float, Field(ge=-10, le=10, allow_inf_nan=False, description="negative: not like this"), NUMBER
]


_KINDS = ("text", "image", "item")


def _only(kind: str) -> dict[str, JsonValue]:
    others: dict[str, JsonValue] = {other: {"type": "null"} for other in _KINDS if other != kind}
    return {"required": [kind], "properties": others, "not": {"properties": {kind: {"type": "null"}}}}


_ONE_KIND: dict[str, JsonValue] = {"oneOf": [_only(kind) for kind in _KINDS]}
_POSITIVE_PART: dict[str, JsonValue] = {"properties": {"weight": {"exclusiveMinimum": 0}}}
_ASKS_FOR_SOMEBODY: dict[str, JsonValue] = {
    "anyOf": [
        {"required": ["text"], "properties": {"text": {"type": "string"}}},
        {"required": ["image"], "properties": {"image": {"type": "string"}}},
        {"required": ["parts"], "properties": {"parts": {"contains": _POSITIVE_PART}}},
    ]
}
"""What the validators below ask, in the words of JSON Schema, for the description of the API."""


class QueryPart(Contract):
    """One of text, image and item, and how much it counts."""

    model_config = ConfigDict(json_schema_extra=_ONE_KIND)

    text: Words | None = None
    image: Picture | None = None
    item: Annotated[int, Field(ge=0, le=2**53), NUMBER] | None = Field(
        default=None, description="the id of a row: more like this"
    )
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(value is not None for value in (self.text, self.image, self.item)) != 1:
            raise ValueError("a part must have exactly one of text, image and item")
        return self


class SearchRequest(Contract):
    """A sentence, a picture, or weighted parts of both, about one person; and how many rows are wanted."""

    model_config = ConfigDict(json_schema_extra=_ASKS_FOR_SOMEBODY)

    text: Words | None = None
    image: Picture | None = None
    parts: Annotated[tuple[QueryPart, ...], Field(max_length=MAX_PARTS)] = Field(
        default=(),
        description="further texts, pictures and rows, one of all with a positive weight",
    )
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), NUMBER] = Field(
        default=24, description="how many hits at most"
    )
    offset: Annotated[int, Field(ge=0, le=MAX_DEPTH - 1), NUMBER] = Field(
        default=0, description=f"how many hits to pass over; nobody is ranked behind place {MAX_DEPTH}"
    )
    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False), NUMBER] | None = Field(
        default=None, description="no hits with a smaller cosine"
    )
    group_by: Literal["none", "track"] = Field(
        default="none", description="track: one hit for each passage of a person, its best crop"
    )
    filter: SearchFilter | None = None

    @model_validator(mode="after")
    def _asks_for_somebody(self) -> Self:
        weights = [1.0 for given in (self.text, self.image) if given is not None]
        if not any(weight > 0 for weight in (*weights, *(part.weight for part in self.parts))):
            raise ValueError("a search must have a text, an image, or a part with a positive weight")
        return self


class BatchRequest(Contract):
    """Several searches at once; each has its own answer, or its own problem."""

    searches: Annotated[tuple[SearchRequest, ...], Field(min_length=1, max_length=MAX_SEARCHES)]


class SearchHit(Item):
    """One row of the ranking; `score` is the cosine in [-1, 1]."""

    score: float
    probability: float | None = Field(
        description="that this is the person described, if the gallery shows them with even odds; null where "
        "that is not known, see `judgement`"
    )
    others: list[int] = Field(
        description="with group_by track: further crops of the passage that were met on the way, best first"
    )


class PartEcho(Contract):
    """What was read of a text part."""

    text: str
    tokens: int = Field(description="length in tokens, with the start and end marks, before cutting")
    truncated: bool = Field(
        description="the text was longer than the encoder reads; only its beginning counted"
    )


class QueryEcho(PartEcho):
    """What was really searched for: the first text (empty without one), and every text part in order."""

    texts: list[PartEcho]


class GalleryState(Contract):
    """Which state of which gallery gave the answer."""

    items: int
    passing: int = Field(description="of these images those that the filter lets through; without one all")
    generation: int | None
    encoder: str
    fingerprint: str


class Timing(Contract):
    """Milliseconds; `encode` holds the wait for the encoder."""

    encode: float
    search: float
    total: float


class Judgement(Contract):
    """What the scores mean, as measured on people the encoder did not know; shares in 0 .. 1."""

    convincing: bool | None = Field(
        description="false: no convincing match; null where nothing is known, and `reason` says why"
    )
    threshold: float | None = Field(description="the least probability of a convincing best hit")
    false_alarm_rate: float | None = Field(
        description="of searches for people who are not there, the share that finds somebody convincing"
    )
    detection_rate: float | None = Field(
        description="of searches for people who are there, the share whose person is found convincing; "
        "null for sizes of galleries that it was not measured at"
    )
    calibrated_on: str | None = Field(description="the people that all this was measured on")
    reason: str | None


class SearchResponse(Contract):
    """The ranking, best first."""

    query: QueryEcho
    judgement: Judgement
    hits: list[SearchHit] = Field(
        description="fewer than asked for on the last page, and where the next person is one too many for "
        "the daily budget of the key; then there is a next page"
    )
    next_offset: int | None = Field(description="the offset of the next page; null on the last one")
    notes: list[str] = Field(
        description="sentences for people; where nobody passes the filter, which of its attributes no row has"
    )
    gallery: GalleryState
    took_ms: Timing


class BatchAnswer(Contract):
    """The answer to one search of a batch, or why there is none."""

    answer: SearchResponse | None
    problem: Problem | None


class BatchResponse(Contract):
    """One for each search, in their order."""

    answers: list[BatchAnswer]
