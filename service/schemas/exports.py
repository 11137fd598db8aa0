"""POST /v1/search/export: a ranking to take along."""

from typing import Literal

from pydantic import Field

from service.schemas.contract import Contract
from service.schemas.search import SearchRequest


class ExportRequest(Contract):
    """A search, and how its hits are wanted; its `top_k` says how many."""

    search: SearchRequest
    format: Literal["csv", "contact-sheet"] = Field(
        default="csv", description="a table; or a page of HTML with the pictures, to be printed"
    )
