"""/v1/cases: cases, and what people write into their files."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from service.schemas.contract import NUMBER, Contract, Text
from service.schemas.items import Item

MAX_DAYS = 366

CaseId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    Field(description="letters, digits, dots, dashes"),
]
Sentence = Annotated[Text, StringConstraints(min_length=3, max_length=500, pattern=r"[^\W_]{3}")]
Words = Annotated[Text, StringConstraints(max_length=1000)]
Note = Annotated[Text, StringConstraints(max_length=4000)]
Verdict = Literal["same", "not", "unsure"]


class OpenCase(Contract):
    """A new case: its name, on which ground, and for how many days."""

    id: CaseId
    basis: Annotated[Sentence, Field(description="a report, a warrant, ...")]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS), NUMBER] = 30


class NewEntry(Contract):
    """One line for the file of a case."""

    kind: Literal["pin", "unpin", "note", "decision"]
    item: Annotated[int, Field(ge=0, le=2**53), NUMBER] | None = Field(
        default=None, description="the id of a row: of pin, unpin and decision"
    )
    query: Words = Field(default="", description="the words it was found by; a decision needs them")
    verdict: Verdict | None = Field(
        default=None, description="of a decision: is this the person searched for?"
    )
    words: Note = Field(default="", description="of a note; of a decision its reason, if you like")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.item is None) != (self.kind == "note"):
            raise ValueError("an item belongs to a pin, an unpin or a decision, and to nothing else")
        if (self.verdict is None) == (self.kind == "decision"):
            raise ValueError("a verdict belongs to a decision, and to nothing else")
        if self.kind == "decision" and not self.query.strip():
            raise ValueError("a decision needs the words that the person was searched by")
        if self.kind == "note" and not self.words.strip():
            raise ValueError("a note needs words")
        return self


class CaseSummary(Contract):
    """A case that is open; times are ISO 8601 in UTC."""

    id: str
    basis: str
    opened: str
    expires: str
    cameras: list[str] | None = Field(description="of these cameras only; null: of all")


class CasesResponse(Contract):
    """The open cases that the caller may work on, the newest first."""

    cases: list[CaseSummary]
    may_open: bool = Field(description="whether the caller may open and close cases")
    people_needed: int = Field(description="how many people must agree before somebody counts as found")


class Pinned(Contract):
    """Somebody who was put into the file; `item` null: the row is not there any more."""

    id: int
    item: Item | None
    query: str
    by: str
    at: str


class Decision(Contract):
    """What one person decided last."""

    verdict: Verdict
    by: str
    at: str
    words: str
    mine: bool


class Judged(Contract):
    """What the decisions on a row come to. `one more`: another person has to agree first."""

    id: int
    item: Item | None
    query: str
    state: Literal["confirmed", "one more", "disputed", "not", "unsure"]
    decisions: list[Decision]


class Noted(Contract):
    """A note."""

    words: str
    by: str
    at: str


class CaseResponse(CaseSummary):
    """A case and its file."""

    pins: list[Pinned]
    findings: list[Judged]
    notes: list[Noted]
    people_needed: int
