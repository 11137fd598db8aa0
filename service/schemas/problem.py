"""RFC 9457 problems."""

from service.schemas.contract import Contract


class ClientError(Contract):
    """The same once more, where OpenAI's clients look for it."""

    message: str
    type: str
    code: str


class Problem(Contract):
    """RFC 9457: what went wrong, in one sentence."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error: ClientError | None = None
