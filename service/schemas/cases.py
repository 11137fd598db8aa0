"""/v1/cases: cases, and what people write into their files."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from service.casework.cases import MOST_LETTERS, NAME
from service.schemas.contract import NUMBER, WORDY, Contract, Text, unicode_text
from service.schemas.items import Item

MAX_DAYS = 366

CaseId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_LETTERS, pattern=NAME),
    Field(description="letters, digits, dots, dashes"),
]
Sentence = Annotated[
    str,
    StringConstraints(min_length=3, max_length=500),
    WORDY,
    AfterValidator(unicode_text),
    Field(description="on which ground: a report, a warrant, ..."),
]
Words = Annotated[Text, StringConstraints(max_length=1000)]
Note = Annotated[Text, StringConstraints(max_length=4000)]
AskedWords = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000),
    WORDY,
    AfterValidator(unicode_text),
    Field(description="the words it was searched by"),
]
Written = Annotated[
    str, StringConstraints(min_length=1, max_length=4000), WORDY, AfterValidator(unicode_text)
]
RowId = Annotated[int, Field(ge=0, le=2**53, description="the id of a row"), NUMBER]
Verdict = Literal["same", "not", "unsure"]
Asked = Annotated[
    Literal["words", "words and more"],
    Field(description="whether the words alone were asked for, or pictures or rows beside them"),
]


class OpenCase(Contract):
    """A new case: its name, on which ground, and for how many days."""

    id: CaseId
    basis: Sentence
    days: Annotated[int, Field(ge=1, le=MAX_DAYS), NUMBER] = 30


class Pin(Contract):
    """Somebody for the file."""

    kind: Literal["pin"]
    item: RowId
    query: Words = Field(default="", description="the words it was found by")
    asked: Asked = "words"


class Unpin(Contract):
    """Somebody who does not belong in the file after all."""

    kind: Literal["unpin"]
    item: RowId


class NewNote(Contract):
    """What somebody saw or thought."""

    kind: Literal["note"]
    words: Written


class NewDecision(Contract):
    """Whether a row shows the person that was searched for."""

    kind: Literal["decision"]
    item: RowId
    query: AskedWords
    asked: Asked = "words"
    verdict: Verdict
    words: Note = Field(default="", description="the reason, if you like")


NewEntry = Annotated[Pin | Unpin | NewNote | NewDecision, Field(discriminator="kind")]
"""One line for the file of a case."""


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


Missing = Annotated[
    Literal["gone", "another", "budget", "unasked"] | None,
    Field(
        description="why `item` is null: the row is not there any more; another one has its id now; this key "
        "is shown no more people today; people were not asked for"
    ),
]
Checked = Annotated[
    bool, Field(description="whether the entry says which row it means; those of earlier versions do not")
]


class Pinned(Contract):
    """Somebody who was put into the file."""

    id: int
    item: Item | None
    missing: Missing
    checked: Checked
    query: str
    asked: Asked
    by: str
    at: str


class Decision(Contract):
    """What one person decided."""

    verdict: Verdict | None = Field(description="null: hidden until the caller has decided")
    item: int = Field(description="the row that it was made on, one of the same passage")
    by: str
    at: str
    words: str
    mine: bool


class Judged(Contract):
    """What the decisions on a row and its passage come to.

    `one more`: another person has to agree first. `hidden`: others decided, fewer than are needed, and the
    caller has not: whoever is to look next looks for themselves.
    """

    id: int
    item: Item | None
    missing: Missing
    checked: Checked
    query: str
    asked: Asked
    state: Literal["hidden", "confirmed", "one more", "disputed", "not", "unsure"]
    decisions: list[Decision] = Field(description="the last one of each person")
    earlier: list[Decision] = Field(description="before people changed their minds on this row")


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
    withheld: int = Field(description="pins and findings on people whom this key may not see")
