"""GET /v1/audit: records of who did what."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from service.schemas.contract import Contract, Name, Time

Cursor = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[0-9TZ:.-]{1,40}/book-[0-9]{4,9}/[0-9]{1,18}$")
]


class AuditQuery(Contract):
    """Which records, and how many."""

    since: Time | None = Field(default=None, description="from this time on")
    until: Time | None = Field(default=None, description="before this time")
    key: Name | None = Field(default=None, description="by this key (its public id)")
    case: Name | None = Field(default=None, description="in this case")
    action: Name | None = Field(default=None, description="search, view, ...")
    after: Cursor | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=100, ge=1, le=1000)


class AuditRecord(Contract):
    """One record, as it stands in the log."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    book: str
    seq: int
    at: str
    action: str
    key: str
    name: str
    request: str
    address: str
    case: str
    purpose: str
    words: str
    filter: str
    shown: list[int]
    encoder: str
    generation: int | None
    status: int
    refusal: str
    facts: dict[str, JsonValue]
    mac: str


class AuditPage(Contract):
    """Records, oldest first."""

    records: list[AuditRecord]
    next: str | None = Field(description="where the next page begins; null: this is the last one for now")
