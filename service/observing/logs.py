"""Log lines with the request's id: for people by default, JSON objects with CSKT_LOG_FORMAT=json."""

import json
import logging
import sys
from datetime import UTC, datetime

from service.observing.request_ids import request_id


class TextLines(logging.Formatter):
    """`2026-05-01 12:00:00,000 INFO message [request id]`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line; what was raised follows on lines of its own."""
        line, name = super().format(record), request_id.get()
        return f"{line} [{name}]" if name and not record.exc_info else line


class JsonLines(logging.Formatter):
    """One object a line: time, level, logger, message, request, and the facts of an access line as fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, on one line whatever the message holds."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if name := request_id.get():
            entry["request"] = name
        entry |= getattr(record, "facts", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_to_stderr(kind: str) -> None:
    """Set up the log of a serving process; `kind` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines())
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
