"""How a record becomes a line that cannot be changed unseen, and how the end of a book is sealed.

A line is the record in canonical JSON, whose last member is the MAC over the MAC before it and the record:

    {"action":"search", ... ,"words":"a man","mac":"<64 hex digits>"}

The first line follows a MAC over the name of its book, so that no book can stand in for another.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

MAC_BYTES = 32
HEAD_BYTES = 512  # a disk writes that much whole or not at all
_TAIL = len(b',"mac":""}') + 2 * MAC_BYTES


@dataclass(frozen=True)
class Head:
    """Where a book ended when its last record was acknowledged.

    `seq` and `mac` (hex): of the last record, 0 and the book's own MAC when there is none; `size`: bytes.
    """

    book: str
    seq: int
    mac: str
    size: int


def canonical(content: Mapping[str, object]) -> bytes:
    """The one way to write it."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def beginning(key: bytes, book: str) -> bytes:
    """What the first record of a book follows."""
    return hmac.digest(key, b"cskt audit book\n" + book.encode(), hashlib.sha256)


def following(key: bytes, before: bytes, body: bytes) -> bytes:
    """The MAC of a record after the one whose MAC is `before`."""
    return hmac.digest(key, before + body, hashlib.sha256)


def line_of(body: bytes, mac: bytes) -> bytes:
    """A record as it stands in its book."""
    return body[:-1] + b',"mac":"' + mac.hex().encode() + b'"}\n'


def parted(line: bytes) -> tuple[bytes, bytes]:
    """Body and MAC of a line without its end. Raises ValueError if it is no such line."""
    body, rest = line[:-_TAIL], line[-_TAIL:]
    if not rest.startswith(b',"mac":"') or not rest.endswith(b'"}'):
        raise ValueError("no line of a book")
    return body + b"}", bytes.fromhex(rest[8:-2].decode())


def sealed(key: bytes, head: Head) -> bytes:
    """A head as it is kept: HEAD_BYTES, with a seal that only the key can make."""
    body = canonical({"book": head.book, "mac": head.mac, "seq": head.seq, "size": head.size})
    seal = hmac.digest(key, b"cskt audit head\n" + body, hashlib.sha256).hex().encode()
    return (body[:-1] + b',"seal":"' + seal + b'"}').ljust(HEAD_BYTES - 1) + b"\n"


def unsealed(key: bytes, kept: bytes, book: str) -> Head:
    """The head of that book. Raises ValueError when it is another's, or not as it was sealed."""
    content = json.loads(kept)
    head = Head(content["book"], content["seq"], content["mac"], content["size"])
    if head.book != book or not hmac.compare_digest(sealed(key, head), kept):
        raise ValueError("not as it was sealed")
    return head
