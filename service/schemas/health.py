"""Answers of the probes."""

from typing import Literal

from service.schemas.contract import Contract


class Health(Contract):
    """The answer of a probe."""

    status: Literal["alive", "ready"]
