"""Which rows a request means."""

from typing import Annotated

from pydantic import AfterValidator, Field

from indexer.errors import FilterError
from indexer.filter_text import parse_filter
from service.schemas.contract import AttributeValue, Contract, Name, Names, Text, Time


def _condition(text: str) -> str:
    """Refuse what the filter language cannot read, with its own sentence."""
    try:
        parse_filter(text)
    except FilterError as error:
        raise ValueError(f"must be a condition: {str(error).rstrip('.')}") from error
    return text


Condition = Annotated[Text, AfterValidator(_condition)]


class SearchFilter(Contract):
    """Which rows may be found; every part given must hold. A time that ends before it begins finds nobody."""

    cameras: Names | None = Field(default=None, description="any of these cameras")
    tracks: Names | None = Field(default=None, description="any of these tracks")
    sources: Names | None = Field(default=None, description="any of these sources")
    seen_from: Time | None = Field(
        default=None, description="ISO 8601, inclusive; without an offset it is UTC"
    )
    seen_until: Time | None = Field(default=None, description="ISO 8601, exclusive")
    attributes: Annotated[dict[Name, AttributeValue], Field(max_length=32)] = Field(
        default_factory=dict, description="attribute name -> the value it must equal"
    )

    where: Condition | None = Field(
        default=None,
        max_length=4000,
        description="a condition in the filter language of the command line",
        examples=["camera = gate and not colour = red"],
        json_schema_extra={"format": "condition"},
    )
