"""Where records go."""

from typing import Protocol

from service.audit.record import Record


class AuditLog(Protocol):
    """Takes records down for good."""

    async def write(self, record: Record) -> None:
        """Return once the record is durable. Raises NotReady when it cannot be made so."""
        ...

    async def close(self) -> None:
        """Write what is under way and let go of the files."""
        ...


class Unrecorded:
    """Takes no records: only for an app that is built in a test or without a place to keep them."""

    async def write(self, record: Record) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""
