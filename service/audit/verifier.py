"""Is the audit log as it was written? Shares no code with what writes it, and needs only Python itself.

    python -m service.audit.verifier FOLDER --key FILE --heads FOLDER [--head FILE]

A book (book-0001.jsonl) is a file of lines. A line is a JSON object whose last member, "mac", is HMAC-SHA256
with the key over the MAC of the line before (32 bytes) and the object without that member. The first line
follows HMAC-SHA256 over "cskt audit book", a line end and the name of the book. "seq" counts from 1. A head
(book-0001.head) names the last acknowledged line, with a "seal" of its own. Lines with "action":"open" name
in "facts" where all books ended when they were written. A kept head is a line of `cskt audit head`.
"""

import argparse
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LINE = re.compile(rb'(\{.*),"mac":"([0-9a-f]{64})"\}', re.DOTALL)
_HEAD = re.compile(rb'(\{.*),"seal":"([0-9a-f]{64})"\} *\n', re.DOTALL)


@dataclass
class Findings:
    """`problems`: tampering or damage, each in one sentence; `notes`: what a crash explains."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0


@dataclass
class _Read:
    """A book: the MACs of its good lines, the ends of books that it names, the bytes that are good."""

    macs: list[str] = field(default_factory=list)
    ends: list[tuple[int, int, str, int, str]] = field(default_factory=list)
    size: int = 0


def check(
    books: Mapping[str, bytes],
    heads: Mapping[str, bytes],
    key: bytes,
    kept: Iterable[str] = (),
    sizes: Mapping[str, int] | None = None,
) -> Findings:
    """Check the contents of books and heads, by name, and the lines of heads that were kept elsewhere.

    `sizes`: what the books had before any was read; later records may tell of what was read too early.
    """
    found, read = Findings(), {}
    names = sorted(set(books) | set(heads))
    if not names:
        found.problems.append("There is no book at all.")
    if names != [f"book-{number:04d}" for number in range(1, len(names) + 1)]:
        found.problems.append("A book is missing: their numbers have gaps, or there is one of another name.")
    for name in names:
        read[name] = _read_book(name, books.get(name, b""), key, found)
        _hold_to_head(name, books.get(name), heads.get(name), read[name], key, found)
        found.records += len(read[name].macs)
    for name in names:
        for seq, at, other, number, mac in read[name].ends:
            if sizes is None or at < sizes[name]:
                _hold_to_end(f"record {seq} of {name}", other, number, mac, read, found)
    for line in kept:
        try:
            end = json.loads(line)
            _hold_to_end("the head that was kept", end["book"], end["seq"], end["mac"], read, found)
        except (ValueError, KeyError, TypeError):
            found.problems.append("A line of the heads that were kept cannot be read.")
    return found


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _read_book(name: str, content: bytes, key: bytes, found: Findings) -> _Read:
    """All lines up to the first that is not as it was written."""
    read, mac = _Read(), _mac(key, f"cskt audit book\n{name}".encode())
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        match = _LINE.fullmatch(line)
        if match is None:
            break
        body = match[1] + b"}"
        mac = _mac(key, mac + body)
        if not hmac.compare_digest(mac.hex().encode(), match[2]):
            break
        record: dict[str, Any] = json.loads(body)
        if record["seq"] != number:
            found.problems.append(f"Record {number} of {name} says that it is number {record['seq']}.")
        if record["action"] == "open":
            ends = record["facts"]["ends"].items()
            read.ends += [(number, read.size, other, end[0], end[1]) for other, end in ends]
        read.macs.append(mac.hex())
        read.size += len(line) + 1
    return read


def _hold_to_head(
    name: str, content: bytes | None, kept: bytes | None, read: _Read, key: bytes, found: Findings
) -> None:
    """What is acknowledged must be there; what follows must be whole records, or the rest of a crash."""
    match = None if kept is None else _HEAD.fullmatch(kept)
    if match is None or len(kept or b"") != 512:
        found.problems.append(f"The head of {name} is missing or damaged.")
        return
    body = match[1] + b"}"
    if not hmac.compare_digest(_mac(key, b"cskt audit head\n" + body).hex().encode(), match[2]):
        found.problems.append(f"The head of {name} is not as it was sealed.")
        return
    head: dict[str, Any] = json.loads(body)
    count = len(read.macs)
    if head["book"] != name:
        found.problems.append(f"The head of {name} belongs to {head['book']}.")
    elif count < head["seq"]:
        altered = content is not None and len(content) > read.size
        what = "has been altered, moved or removed" if altered else "and all after it have been cut off"
        found.problems.append(f"Record {count + 1} of {name} {what}; {head['seq']} were acknowledged.")
    elif head["seq"] and head["mac"] != read.macs[head["seq"] - 1]:
        found.problems.append(f"Record {head['seq']} of {name} is not the one its head names.")
    elif rest := (content or b"")[read.size :]:
        line, ended, _ = rest.partition(b"\n")
        if ended and b"\0" not in line:  # a crash leaves half a line, or zeros in it, but no whole line
            found.problems.append(f"Lines were added at the end of {name} by somebody without the key.")
        else:
            found.notes.append(
                f"{name} ends with {len(rest)} bytes of a record that was never finished nor acknowledged, "
                "as a kill or a power cut leaves it."
            )
    elif not head["seq"] and not count:
        found.notes.append(f"{name} was begun and never written to.")


def _hold_to_end(who: str, name: str, seq: int, mac: str, read: Mapping[str, _Read], found: Findings) -> None:
    """Another witness of where a book ended."""
    macs = read[name].macs if name in read else []
    if len(macs) < seq:
        found.problems.append(
            f"{name} ended at record {seq} or later, says {who}; now it has {len(macs)} good ones."
        )
    elif seq > 0 and macs[seq - 1] != mac:
        found.problems.append(f"Record {seq} of {name} is not the one that {who} names.")


def check_files(folder: Path, key_file: Path, heads: Path, kept: Path | None = None) -> Findings:
    """Check a log on disk, also while it is being written. Raises OSError, ValueError."""
    key = bytes.fromhex(key_file.read_text("ascii").strip())
    # In this order a log that grows meanwhile still fits together: each later reading holds more, never less.
    sealed = {path.stem: _steady(path) for path in sorted(heads.glob("*.head"))}
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.jsonl")}
    books = {name: (folder / f"{name}.jsonl").read_bytes() for name in sorted(sizes)}
    for path in heads.glob("*.head"):
        if path.stem not in sealed:  # begun meanwhile
            books.pop(path.stem, None)
    lines = kept.read_text("utf-8").splitlines() if kept is not None else []
    return check(books, sealed, key, [line for line in lines if line.strip()], sizes)


def _steady(path: Path) -> bytes:
    """What two readings agree on, so that none falls into a writing."""
    content = path.read_bytes()
    while content != (again := path.read_bytes()):
        content = again
    return content


def main() -> int:
    """Print what is found; 0 when all holds, 2 when not."""
    parser = argparse.ArgumentParser(description="Is the audit log as it was written?")
    parser.add_argument("folder", type=Path, help="of the books")
    parser.add_argument("--key", type=Path, required=True, help="the file audit.key")
    parser.add_argument("--heads", type=Path, required=True, help="the folder of the heads")
    parser.add_argument("--head", type=Path, help="what `cskt audit head` once printed, kept elsewhere")
    given = parser.parse_args()
    found = check_files(given.folder, given.key, given.heads, given.head)
    for sentence in [*found.problems, *found.notes]:
        print(sentence)
    print(f"{found.records} records hold." if not found.problems else "The log is NOT as it was written.")
    return 2 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
