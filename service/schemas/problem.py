"""RFC 9457 problems."""

from service.schemas.contract import Contract


class Problem(Contract):
    """RFC 9457: what went wrong, in one sentence."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
