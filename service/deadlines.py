"""By when a request wants its answer: the header Deadline-Ms, or the service's own limit."""

from collections.abc import Iterable

from service.settings import Settings

HEADER = b"deadline-ms"


def budget_of_headers(headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> float:
    """Seconds that a request has, from its raw headers; one that is no number is refused elsewhere."""
    wanted = next((value for name, value in headers if name == HEADER), b"")
    milliseconds = int(wanted[:9]) if wanted.isdigit() else settings.deadline_ms
    return min(milliseconds, settings.max_deadline_ms) / 1000
