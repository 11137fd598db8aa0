"""POST /v1/items and the neighbours of a row."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service.schemas.contract import AttributeValue, Contract, Name, Time
from service.schemas.items import Item
from service.schemas.search import Picture

MAX_UPLOADS = 64


class Upload(Contract):
    """One crop of a person and what is known of it."""

    image: Picture
    key: Annotated[Name, StringConstraints(max_length=200)] | None = Field(
        default=None,
        description="unique in the gallery; default: a hash of the picture, so that it is stored once only",
    )
    camera: Name | None = None
    seen_at: Time | None = None
    track: Name | None = None
    attributes: Annotated[dict[Name, AttributeValue], Field(max_length=32)] = Field(default_factory=dict)


class UploadRequest(Contract):
    """Up to 64 crops, stored by one durable transaction."""

    items: Annotated[tuple[Upload, ...], Field(min_length=1, max_length=MAX_UPLOADS)]


class Uploaded(Contract):
    """What became of one crop."""

    key: str = Field(description="empty where none was given and there is no picture to make one from")
    status: Literal["stored", "known", "rejected"]
    id: int | None
    reason: str | None


class UploadResponse(Contract):
    """One for each crop, in their order. What is stored is durable and is found by the next search."""

    items: list[Uploaded]


class NeighbourItem(Item):
    """A row beside another one."""

    score: float | None = Field(description="cosine of their vectors, where that was asked for")


class NeighboursResponse(Contract):
    """What stands beside a row."""

    neighbours: list[NeighbourItem]
