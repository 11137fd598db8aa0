"""/v1/session: signing in, and who one is."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service.schemas.contract import Contract, Text

Short = Annotated[Text, StringConstraints(max_length=500)]


class SessionCase(Contract):
    """For which case, and why; without a case there is none."""

    case: Short = ""
    purpose: Short = ""


class SessionRequest(SessionCase):
    """A key; and, in casework, for which case and why."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class SessionResponse(Contract):
    """Who is asking."""

    name: str
    key: str = Field(description="the id of the key, as `cskt key list` says it; empty without keys")
    scopes: list[str]
    cameras: list[str] | None = Field(description="the cameras it may see; null: all of them")
    case: str
    purpose: str
    profile: Literal["open", "casework"]
    needs_key: bool = Field(description="whether this service asks for keys")
