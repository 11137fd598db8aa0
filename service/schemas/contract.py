"""What every request and answer of the HTTP contract is made of. No answer carries a path."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from indexer.times import to_utc


def unicode_text(text: str) -> str:
    """Refuse half characters, which JSON can write (`\\ud800`) but nothing behind can store or encode."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("must be valid Unicode text")
    return text


class _Wordy:
    """Metadata of a text that must hold a letter or digit, of any script.

    Not a pattern of pydantic's: a description is read by ECMA's rules, in which `\\w` is ASCII, and Python's
    expressions know no `\\p{L}`.
    """

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_wordy, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": r"[\p{L}\p{N}]"}


def _wordy(text: str) -> str:
    if not any(letter.isalnum() for letter in text):
        raise PydanticCustomError("string_pattern_mismatch", "must hold letters or digits")
    return text


WORDY = _Wordy()
Text = Annotated[str, AfterValidator(unicode_text)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
AttributeValue = Name | bool | int | FiniteFloat


def _utc(text: str) -> str:
    """An ISO 8601 time as the gallery writes it (UTC, milliseconds, Z); a time without an offset is UTC.

    Raises ValueError when the text is not such a time.
    """
    try:
        return to_utc(text)
    except (ValueError, OverflowError) as error:  # its own sentence would repeat what was sent
        raise ValueError("must be an ISO 8601 time such as 2026-05-01T12:00:00Z") from error


Time = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_utc),
    Field(json_schema_extra={"format": "date-time"}),
]


def _number(value: object) -> object:
    """JSON knows no difference between 5 and 5.0; texts and truth values are no numbers."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


NUMBER = BeforeValidator(_number)
"""Stands behind the bounds of a field, else its description would lack them."""


class Contract(BaseModel):
    """Frozen; a field nobody knows is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re")
