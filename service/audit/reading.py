"""Reading the log: all records that fit, in order. It does not ask whether they have been tampered with.

What stands behind the end that a book's head names was not acknowledged, and anybody may have put it there.
"""

import heapq
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.audit.places import Places, read_key
from service.errors import ServeError

_TIME = b'"at":"'
"""Stands before the time, and no earlier: JSON writes quotes in texts otherwise, and names are in order."""

Place = tuple[str, str, int]
"""Time, book and number: the order of records of several books."""


@dataclass(frozen=True)
class Wanted:
    """Which records. `since` included, `until` excluded, both as in the records; None: any."""

    since: str | None = None
    until: str | None = None
    key: str | None = None
    case: str | None = None
    action: str | None = None

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether this is one of them."""
        return (
            (self.since is None or record["at"] >= self.since)
            and (self.until is None or record["at"] < self.until)
            and (self.key is None or record["key"] == self.key)
            and (self.case is None or record["case"] == self.case)
            and (self.action is None or record["action"] == self.action)
        )


def records(places: Places, wanted: Wanted, after: Place | None = None) -> Iterator[dict[str, Any]]:
    """Book after book, those behind a place, each with the name of its book. Raises OSError.

    Lines that are none are left out.
    """
    earliest = max(wanted.since or "", after[0] if after else "").encode()
    for path in sorted(places.books.glob("book-*.jsonl")):
        left = _acknowledged(places, path.stem)
        with path.open("rb") as lines:
            for line in lines:
                left -= len(line)
                if left < 0:
                    break
                if _time_in(line) < earliest:
                    continue
                try:
                    record = {"book": path.stem, **json.loads(line)}
                    if wanted.fits(record) and (after is None or place_of(record) > after):
                        yield record
                except (ValueError, KeyError, TypeError):  # unfinished or altered: `cskt audit verify` tells
                    continue


def _time_in(line: bytes) -> bytes:
    """The time of a record without reading all of it, as pages far down a long log begin with many others."""
    return line.partition(_TIME)[2].partition(b'"')[0]


def _acknowledged(places: Places, name: str) -> int:
    """Bytes of a book; all where its head or the key cannot be read, which `cskt audit verify` tells."""
    try:
        return places.read_head(read_key(places.key_file), name).size
    except (OSError, ValueError, ServeError):
        return sys.maxsize


def place_of(record: dict[str, Any]) -> Place:
    """Where it stands among all."""
    return record["at"], record["book"], record["seq"]


def page(places: Places, wanted: Wanted, after: Place | None, limit: int) -> list[dict[str, Any]]:
    """The first records behind that place, oldest first. Raises OSError."""
    return heapq.nsmallest(limit, records(places, wanted, after), key=place_of)
