"""One of n shares of a source, so that n runs on n machines index all of it and meet nowhere.

What a share holds is decided by a hash of the key alone: neither order nor number of the others matter, and
an entry that comes later moves no other. Keys carry the absolute place of a source, so each machine must see
it at the same place.
"""

import argparse
import hashlib
import re
from dataclasses import dataclass

MOST_SHARES = 100_000


@dataclass(frozen=True)
class Share:
    """The share `number` (from 1) of `count`; the default is everything."""

    number: int = 1
    count: int = 1

    def holds(self, key: str) -> bool:
        """Whether the entry, or the whole file, with this key belongs here: to exactly one of `count`."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


WHOLE = Share()


def share(text: str) -> Share:
    """`2/8` as an argument; argparse turns anything else into one sentence."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no share; write i/n, for example 2/8 for the second of 8"
        )
    number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count <= MOST_SHARES:
        raise argparse.ArgumentTypeError(
            f"{text!r}: the shares of {count} are 1/{count} to {count}/{count}"
            if 1 <= count <= MOST_SHARES
            else f"{text!r}: there can be 1 to {MOST_SHARES:,} shares"
        )
    return Share(number, count)
