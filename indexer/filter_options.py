"""The options by which commands choose items: all that are given must hold."""

import argparse
import sys
from typing import TYPE_CHECKING

from model.terminal import terminal_safe

if TYPE_CHECKING:
    from indexer.filters import Filter
    from indexer.gallery import Gallery


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """`--camera`, `--track`, `--source`, `--from`, `--until`, `--where`."""
    parser.add_argument("--camera", action="append", metavar="NAME", help="only this camera; may be repeated")
    parser.add_argument("--track", action="append", metavar="NAME", help="only this track; may be repeated")
    parser.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")
    parser.add_argument("--from", dest="seen_from", metavar="TIME", help="seen at or after, ISO 8601")
    parser.add_argument("--until", dest="seen_until", metavar="TIME", help="seen before, ISO 8601")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="FILTER",
        help="such as 'coat = red and (bag exists or height > 1.8)'; if repeated, all must hold",
    )


def filter_of(arguments: argparse.Namespace) -> "Filter | None":
    """What the options say; None if none is given. GalleryError for a time or filter that cannot be read."""
    from indexer.errors import GalleryError
    from indexer.filter_text import parse_filter
    from indexer.filters import AllOf, from_choices
    from indexer.times import to_utc

    try:
        seen_from, seen_until = (
            None if moment is None else to_utc(moment)  # an empty one must not choose everybody
            for moment in (arguments.seen_from, arguments.seen_until)
        )
    except ValueError as error:
        raise GalleryError(f"{error}.") from error
    chosen = from_choices(
        arguments.camera or None,
        arguments.track or None,
        arguments.source or None,
        seen_from,
        seen_until,
    )
    parts = ([chosen] if chosen else []) + [parse_filter(text) for text in arguments.where]
    return AllOf(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


def warn_of_missing(gallery: "Gallery", where: "Filter | None") -> None:
    """Say on stderr which attributes of a filter no item has: they may be misspelt."""
    from indexer.missing_attributes import note_of_missing

    note = note_of_missing(gallery, where)
    if note:
        print(terminal_safe(f"cskt: {note}"), file=sys.stderr)
