"""POST /v1/items/{id}/evidence: which places of a picture answer which phrases."""

from pydantic import Field

from service.schemas.contract import Contract
from service.schemas.search import Words


class EvidenceRequest(Contract):
    """A description; it is cut into phrases."""

    text: Words


class PhraseEvidence(Contract):
    """A phrase, and how much it depends on each place of the picture, row by row from the top: 0 .. 1."""

    text: str
    regions: list[list[float]]


class EvidenceResponse(Contract):
    """An aid for looking, no proof: see model/README.md for how often it points at the right place."""

    phrases: list[PhraseEvidence] = Field(description="in the order of the text, eight at most")
