"""The HTTP contract: what requests may say and what answers hold. No answer carries a path."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from indexer.times import to_utc

MAX_TOP_K = 200


def _unicode(text: str) -> str:
    """Refuse half characters, which JSON can write (`\\ud800`) but nothing behind can store or encode."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("must be valid Unicode text")
    return text


Text = Annotated[str, AfterValidator(_unicode)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
AttributeValue = Name | bool | int | FiniteFloat


def _utc(text: str) -> str:
    """An ISO 8601 time as the gallery writes it (UTC, milliseconds, Z); a time without an offset is UTC.

    Raises ValueError when the text is not such a time.
    """
    try:
        return to_utc(text)
    except (ValueError, OverflowError) as error:  # its own sentence would repeat what was sent
        raise ValueError("must be an ISO 8601 time such as 2026-05-01T12:00:00Z") from error


Time = Annotated[str, StringConstraints(max_length=64), AfterValidator(_utc)]


class Contract(BaseModel):
    """Frozen; a field nobody knows is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Item(Contract):
    """One person image: its facts and where its picture is."""

    id: int
    camera: str | None
    seen_at: str | None
    track: str | None
    source: str
    attributes: dict[str, str | bool | int | float]
    image_url: str


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


class AttributeCount(Contract):
    """One value of an attribute and how many of the sampled rows have it."""

    value: str | bool | int | float
    count: int


class AttributeFacet(Contract):
    """An attribute that rows have, with its most common values."""

    name: str
    values: list[AttributeCount]


class GalleryResponse(Contract):
    """What can be searched and by what it can be filtered."""

    items: int
    rejected: int
    dimension: int
    encoder: str
    encoder_note: str | None = Field(description="a warning about the encoder, for people")
    fingerprint: str
    generation: int | None
    cameras: dict[str, int]
    sources: dict[str, int]
    attributes: list[AttributeFacet] = Field(description="counted over a sample of the rows")
    first_seen: str | None
    last_seen: str | None


class Health(Contract):
    """The answer of a probe."""

    status: Literal["alive", "ready"]


class Problem(Contract):
    """RFC 9457: what went wrong, in one sentence."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
