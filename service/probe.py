"""Asks the service of this container whether it is ready: exit 0 or 1 (`python -m service.probe`)."""

import http.client
import os
import sys
from contextlib import closing

SECONDS = 4.0


def is_ready(port: int, seconds: float = SECONDS) -> bool:
    """Whether somebody says on this port of this machine that searches are answered."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("CSKT_PORT", "8000"))))
