"""POST /v1/search/export: a ranking to take along."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
        description=f"how many hits at most, at most {MAX_TOP_K} on a contact sheet; null: the `top_k` of "
        "the search",
    )

    @model_validator(mode="after")
    def _can_be_printed(self) -> Self:
        if self.format == "contact-sheet" and (self.rows or 0) > MAX_TOP_K:
            raise ValueError(f"a contact sheet has at most {MAX_TOP_K} rows; take a table")
        return self
