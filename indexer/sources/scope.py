"""What one run takes of a source, whatever the source is."""

from dataclasses import dataclass

from indexer.shares import WHOLE, Share


@dataclass(frozen=True)
class Scope:
    """share: which entries. origins: hosts and buckets (`https://host`, `s3://bucket`) that a manifest may
    name beside its own.
    """

    share: Share = WHOLE
    origins: frozenset[str] = frozenset()


EVERYTHING = Scope()
