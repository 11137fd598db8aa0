"""GET /v1/gallery: what can be searched and by what it can be filtered."""

from typing import Literal

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
    sampled: bool = Field(description="whether the counts are those of a sample of the rows")


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
    last_indexed: str | None = Field(description="when the last row came (UTC)")
    index_kind: str | None
    index: str | None = Field(description="how it is searched")
    fresh: int | None = Field(description="rows that no index file covers yet; they are found all the same")
    bytes_on_disk: int | None


class RejectedFile(Contract):
    """A file that could not be used: its name without folders, where it came from, and why."""

    name: str
    source: str
    reason: str


class RejectedResponse(Contract):
    """The files that could not be used, the latest first."""

    rejected: list[RejectedFile]


class IndexJob(Contract):
    """One source on its way into the gallery; times in UTC, `rate` in images a second."""

    source: str
    state: Literal["running", "finished", "interrupted", "failed"]
    started: str
    updated: str
    done: int = Field(description="images that were looked at: new, known, removed and rejected ones")
    total: int | None = Field(description="null where nobody knows how many there are")
    new: int
    known: int
    removed: int = Field(description="removed for good, and left out")
    rejected: int
    rate: float


class JobsResponse(Contract):
    """Index jobs that run or ran lately, the newest first."""

    jobs: list[IndexJob]


class TimelineResponse(Contract):
    """When rows were seen: `counts[i]` from `edges[i]` until before `edges[i + 1]`; times in UTC."""

    edges: list[str]
    counts: list[int]
