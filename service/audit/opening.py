"""Which audit log a service writes."""

from service.audit.log import AuditLog, Unrecorded
from service.audit.places import Places
from service.audit.writer import BookLog
from service.errors import ServeError
from service.settings import Settings


def places_of(settings: Settings) -> Places:
    """Where its books, heads and key are."""
    return Places.of(settings.state_folder, settings.audit_key_file, settings.audit_heads)


def open_log(settings: Settings) -> AuditLog:
    """The log in the state folder; none for an app without a gallery of its own. Raises ServeError."""
    return BookLog(places_of(settings)) if settings.gallery or settings.state else Unrecorded()


def check_log(settings: Settings) -> None:
    """Raise ServeError when the log could not be opened, without leaving a record."""
    places = places_of(settings)
    try:
        places.make()
        places.key()
    except OSError as error:
        raise ServeError(
            f"The audit log in {places.books} cannot be written ({error.strerror or error}); "
            "see to the folder and the disk, or name another folder with CSKT_STATE."
        ) from error
