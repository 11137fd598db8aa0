"""POST /v1/search: what is asked, and the ranking."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from service.schemas.contract import AttributeValue, Contract, Name, Names, Text, Time
from service.schemas.items import Item

MAX_TOP_K = 200


class SearchFilter(Contract):
    """Which rows may be found; every part given must hold."""

    cameras: Names | None = Field(default=None, description="any of these cameras")
    tracks: Names | None = Field(default=None, description="any of these tracks")
    sources: Names | None = Field(default=None, description="any of these sources")
    seen_from: Time | None = Field(
        default=None, description="ISO 8601, inclusive; without an offset it is UTC"
    )
    seen_until: Time | None = Field(default=None, description="ISO 8601, exclusive")
    attributes: Annotated[dict[Name, AttributeValue], Field(max_length=32)] = Field(
        default_factory=dict, description="attribute name -> the value it must equal"
    )

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.seen_from is not None and self.seen_until is not None and self.seen_from >= self.seen_until:
            raise ValueError("seen_from must be before seen_until")
        return self


class SearchRequest(Contract):
    """A sentence about a person, and how many rows are wanted."""

    text: Text = Field(description="what the person looks like, in English")
    top_k: int = Field(default=24, ge=1, le=MAX_TOP_K, strict=True, description="how many hits at most")
    filter: SearchFilter | None = None


class SearchHit(Item):
    """One row of the ranking; `score` is the cosine in [-1, 1]."""

    score: float


class QueryEcho(Contract):
    """What was really searched for."""

    text: str
    tokens: int = Field(description="length in tokens, with the start and end marks, before cutting")
    truncated: bool = Field(
        description="the text was longer than the encoder reads; only its beginning counted"
    )


class GalleryState(Contract):
    """Which state of which gallery gave the answer."""

    items: int
    generation: int | None
    encoder: str
    fingerprint: str


class Timing(Contract):
    """Milliseconds; `encode` holds the wait for the encoder."""

    encode: float
    search: float
    total: float


class SearchResponse(Contract):
    """The ranking, best first."""

    query: QueryEcho
    hits: list[SearchHit]
    gallery: GalleryState
    took_ms: Timing
