"""The options of `cskt index` that say what of a source is taken and what is guessed about it."""

import argparse
from typing import TYPE_CHECKING

from indexer.shares import WHOLE, share

if TYPE_CHECKING:
    from indexer.bursts import Bursts
    from indexer.sources.scope import Scope


def add_options(parser: argparse.ArgumentParser) -> None:
    """--shard, --allow-urls and --bursts."""
    parser.add_argument(
        "--shard", type=share, default=WHOLE, metavar="I/N", help="only the I-th of N shares of each source"
    )
    parser.add_argument(
        "--allow-urls",
        action="append",
        default=[],
        metavar="PLACE",
        help="let manifests name images at this host or bucket (https://host, s3://bucket); may be repeated",
    )
    parser.add_argument(
        "--bursts",
        type=cosine,
        nargs="?",
        const=0.95,
        metavar="COSINE",
        help="mark crops without a track that follow each other and are at least so alike (default 0.95)",
    )


def cosine(text: str) -> float:
    """A number above 0 and at most 1; argparse turns anything else into one sentence."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0 and at most 1")
    return value


def scope_of(arguments: argparse.Namespace) -> "Scope":
    """What of each source is taken. Raises SourceError for a place that is no host or bucket."""
    from indexer.errors import SourceError
    from indexer.sources.scope import Scope
    from indexer.sources.urls import UrlError, read_origin

    try:
        return Scope(arguments.shard, frozenset(map(read_origin, arguments.allow_urls)))
    except UrlError as error:
        raise SourceError(f"--allow-urls: {error}") from None


def bursts_of(arguments: argparse.Namespace) -> "Bursts | None":
    """What marks bursts in one source, if that was asked for."""
    from indexer.bursts import Bursts

    return Bursts(arguments.bursts) if arguments.bursts is not None else None
