"""By when a request wants its answer: the header Deadline-Ms, or the service's own limit."""

from fastapi import Request

from service.settings import Settings

HEADER = "Deadline-Ms"


def budget_of(request: Request) -> float:
    """Seconds that this request has; a header that is no number is refused elsewhere."""
    settings = request.app.state.settings
    assert isinstance(settings, Settings)
    wanted = request.headers.get(HEADER, "")
    milliseconds = int(wanted[:9]) if wanted.isdecimal() else settings.deadline_ms
    return min(milliseconds, settings.max_deadline_ms) / 1000
