"""GET /v1/gallery: what can be searched and by what it can be filtered."""

from pydantic import Field

from service.schemas.contract import Contract


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


class TimelineResponse(Contract):
    """When rows were seen: `counts[i]` from `edges[i]` until before `edges[i + 1]`; times in UTC."""

    edges: list[str]
    counts: list[int]
