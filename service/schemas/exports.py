"""POST /v1/search/export: a ranking to take along."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.contract import NUMBER, Contract
from service.schemas.search import MAX_DEPTH, MAX_TOP_K, SearchRequest


class ExportRequest(Contract):
    """A search, and how its hits are wanted."""

    search: SearchRequest
    format: Literal["csv", "contact-sheet"] = Field(
        default="csv", description="a table; or a page of HTML with the pictures, to be printed"
    )
    rows: Annotated[int, Field(ge=1, le=MAX_DEPTH), NUMBER] | None = Field(
        default=None,
        description=f"how many hits at most, the first {MAX_TOP_K} of them on a contact sheet; null: the "
        "`top_k` of the search",
    )
