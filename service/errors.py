"""What can go wrong between a request and its answer.

CsktError
├── ServeError            the service cannot start: one sentence, exit 2
└── RequestError          one request cannot be answered: a problem+json with `status`
    ├── BadQuery          422  the words or the filter cannot be searched for
    ├── BadKey            401  the key is good for nothing
    ├── Forbidden         403  the key is not good for that
    ├── CaseRequired      403  casework: no open case for this key, or no purpose
    ├── WrongDimension    409  vectors of another length are wanted
    ├── CaseTaken         409  there is or was a case of that name
    ├── ProtectedTrait    422  the words ask for origin, religion, health, ...
    ├── UnknownItem       404  no row with that id
    ├── UnknownCase       404  no open case of that name for this key
    ├── NoSession         404  nobody has signed in with this cookie
    ├── BudgetSpent       429  casework: this key has been shown enough people today
    ├── Overloaded        429  more is asked than can be answered in time
    ├── TooLate           429  let in, but it would be answered after its deadline
    ├── DiskFull          507  there is no space for what is to be stored
    ├── NotReady          503  starting or stopping
    ├── NotRecorded       503  the audit log cannot take it down
    └── QueryFailed       500  the encoder or the gallery failed on this query
"""

from typing import ClassVar

from model.errors import CsktError


class ServeError(CsktError):
    """The service cannot start as asked."""


class RequestError(CsktError):
    """One request cannot be answered; the text is one sentence without paths."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_after: int | None = None  # seconds


class BadQuery(RequestError):
    """The words cannot be searched for."""

    status = 422
    title = "Invalid request"


NO_KEY = "This needs a key: send Authorization: Bearer KEY."


class BadKey(RequestError):
    """A key that is good for nothing."""

    status = 401
    title = "Unauthorized"


class Forbidden(RequestError):
    """The caller's key is not good for that."""

    status = 403
    title = "Forbidden"


class CaseRequired(RequestError):
    """In casework: no open case that this key may work on, or no purpose."""

    status = 403
    title = "Case required"


class WrongDimension(RequestError):
    """Vectors of another length than the encoder makes are wanted."""

    status = 409
    title = "Wrong dimension"


class CaseTaken(RequestError):
    """There is or was a case of that name."""

    status = 409
    title = "Name taken"


class ProtectedTrait(RequestError):
    """The words ask for what nobody is searched for by."""

    status = 422
    title = "Protected trait"


class UnknownItem(RequestError):
    """There is no row with that id (any more)."""

    status = 404
    title = "Not found"


class UnknownCase(RequestError):
    """There is no open case of that name that the caller may work on."""

    status = 404
    title = "Not found"


class NoSession(RequestError):
    """There is no browser's session to change."""

    status = 404
    title = "No session"


class BudgetSpent(RequestError):
    """In casework: no more people are shown to this key today."""

    status = 429
    title = "Budget spent"


class NoHttp(RequestError):
    """What came over a connection is no request."""

    status = 400
    title = "Bad Request"


class Overloaded(RequestError):
    """More is asked than can be answered in time."""

    status = 429
    title = "Too many requests"
    retry_after = 1


class TooLate(RequestError):
    """Let in, but it would have been answered after its deadline."""

    status = 429
    title = "Too late"
    retry_after = 1


class DiskFull(RequestError):
    """There is no space for what is to be stored."""

    status = 507
    title = "Disk full"


class NotReady(RequestError):
    """The service is starting or stopping."""

    status = 503
    title = "Not ready"
    retry_after = 2


class NotRecorded(RequestError):
    """The audit log cannot take down what was asked, so it is not answered."""

    status = 503
    title = "Not recorded"
    retry_after = 5


class QueryFailed(RequestError):
    """The encoder or the gallery failed on this query; others are not affected."""
