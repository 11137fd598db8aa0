"""GET /v1/encoder and POST /v1/embeddings: the encoder, and its vectors in the shape of OpenAI's."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, JsonValue, StringConstraints, Tag

from service.schemas.contract import NUMBER, WORDY, Contract, Text, unicode_text

MAX_INPUTS = 2048
"""As many as OpenAI takes; clients that send batches count on it."""

Input = Annotated[
    str,
    StringConstraints(min_length=1, max_length=14_000_000),
    WORDY,
    AfterValidator(unicode_text),
]


Inputs = Annotated[tuple[Input, ...], Field(min_length=1, max_length=MAX_INPUTS)]


class EncoderResponse(Contract):
    """What turns words and pictures into vectors here."""

    name: str
    fingerprint: str = Field(description="of weights, configuration, tokenizer and preprocessing")
    dimension: int
    precision: str = Field(description="the number format it computes in")
    context_length: int = Field(description="tokens of a text that are read, with the start and end marks")
    note: str | None = Field(description="a warning about the encoder, for people")


class EmbeddingsRequest(Contract):
    """Texts, or pictures as data URIs; other fields of OpenAI's clients are taken and not used."""

    input: Annotated[
        Annotated[Input, Tag("[text]")] | Annotated[Inputs, Tag("[texts]")],
        Discriminator(lambda given: "[text]" if isinstance(given, str) else "[texts]"),
    ]
    model: Annotated[Text, StringConstraints(max_length=500)] = Field(
        default="", description="any: there is one encoder"
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1), NUMBER] | None = Field(
        default=None, description="only the encoder's own number is answered"
    )
    user: JsonValue = Field(default=None, description="not used, and not kept")


class Embedding(Contract):
    """One unit vector: numbers, or float32 little-endian in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(Contract):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Contract):
    """One vector for each input, in their order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
