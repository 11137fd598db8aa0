"""One's own pairs of images and captions: a `.csv` file with a header, or `.jsonl` with an object a line.

    image       path of an image, relative to the file
    caption     one sentence; an image may have several rows
    identity    who it is, any word or number; where it is absent every image is a person of its own
    split       train, val or test; where it is absent a person's split follows from a hash of the identity,
                80/10/10, the same on every machine and whatever else the file holds
    camera      where it was taken

Each further column is an attribute. The cells of a CSV file may be parted by comma, semicolon or tab.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TextIO

from model.datasets.annotations import (
    SPLITS,
    Annotations,
    Counts,
    EntryError,
    Facts,
    Pair,
    Reject,
    Split,
    leaves_folder,
    shortened,
    word,
)
from model.errors import DatasetError
from model.terminal import terminal_safe

SUFFIXES = (".csv", ".jsonl")
REQUIRED = ("image", "caption")
KNOWN = (*REQUIRED, "identity", "split", "camera")

_TENTHS: tuple[Split, ...] = ("train",) * 8 + ("val", "test")

Row = Mapping[str, object]


@dataclass(frozen=True)
class CaptionFile:
    """A file of pairs as a data set; its fields are those of `DataSet`."""

    title: str
    first_identity: int = 0
    renumber: bool = True
    published: Mapping[Split, Counts] = field(default_factory=dict, hash=False)

    def annotations(self, root: Path) -> Annotations:
        """All rows of the file `root`; identities are numbered in ascending order of their words.

        Raises DatasetError where it is no such file, no UTF-8, no proper CSV, or its header is wrong.
        """
        rows = list(_rows(root))
        told, rejects = list[_Told](), list[Reject]()
        owners: dict[str, str] = {}
        splits_told = any(not isinstance(row, EntryError) and _told_split(row) for _, row in rows)
        for line, row in rows:
            try:
                told.append(_told(row, owners, splits_told))
            except EntryError as error:
                split = None if isinstance(row, EntryError) else _known_split(row)
                rejects.append(Reject(split, f"line {line}", str(error)))
        return Annotations(root, len(rows), _pairs(root.parent, told), rejects, _notice(told))


CAPTIONS = CaptionFile(title="The caption file")


def split_of_identity(identity: str) -> Split:
    """The split of a person whose split is not told: train in 8 of 10 cases, val in one, test in one."""
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return _TENTHS[int.from_bytes(digest[:8], "big") % len(_TENTHS)]


@dataclass(frozen=True)
class _Told:
    """One row that can be used."""

    split: Split
    identity: str
    image: str
    caption: str
    facts: Facts


def _told(row: Row | EntryError, owners: dict[str, str], splits_told: bool) -> _Told:
    """What a row says. `owners` holds the identity of every image met and is added to. Raises EntryError."""
    if isinstance(row, EntryError):
        raise row
    for key in REQUIRED:
        if not isinstance(row.get(key, ""), str):
            raise EntryError(f"{key!r} is not text")
        if not str(row.get(key, "")).strip():
            raise EntryError(f"{key!r} is {'blank' if key in row else 'absent'}")
    path = str(row["image"]).strip()
    if leaves_folder(path):
        raise EntryError("'image' is not a path below the file's folder")
    image = str(PurePosixPath(path))
    identity = word(row.get("identity"), "identity") or image
    split = _known_split(row)
    if split is None and (splits_told or _told_split(row)):
        raise EntryError(f"'split' is none of {', '.join(SPLITS)}")
    attributes = {key: text for key in row if key not in KNOWN if (text := word(row[key], key))}
    facts = Facts(word(row.get("camera"), "camera"), attributes)
    if owners.setdefault(image, identity) != identity:
        raise EntryError(f"'identity' is {identity}, but another row of this image says {owners[image]}")
    return _Told(split or split_of_identity(identity), identity, image, str(row["caption"]), facts)


def _told_split(row: Row) -> bool:
    return row.get("split") is not None and str(row["split"]).strip() != ""


def _known_split(row: Row) -> Split | None:
    return next((known for known in SPLITS if known == str(row.get("split")).strip()), None)


def _pairs(folder: Path, rows: Sequence[_Told]) -> list[Pair]:
    people = {identity: number for number, identity in enumerate(sorted({row.identity for row in rows}))}
    images = {image: number for number, image in enumerate(dict.fromkeys(row.image for row in rows))}
    return [
        Pair(row.split, people[row.identity], images[row.image], folder / row.image, row.caption, row.facts)
        for row in rows
    ]


def _notice(rows: Sequence[_Told]) -> str:
    """A sentence naming people whose rows stand in several splits: figures on them would flatter."""
    splits: dict[str, set[Split]] = {}
    for row in rows:
        splits.setdefault(row.identity, set()).add(row.split)
    torn = [identity for identity in splits if len(splits[identity]) > 1]
    if not torn:
        return ""
    return f"{len(torn)} of {len(splits)} people stand in more than one split, first {shortened(torn)}."


def _rows(file: Path) -> Iterator[tuple[int, Row | EntryError]]:
    """(line number, row) of each row that is not blank, or why it is none. Raises DatasetError."""
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        raise DatasetError(
            f"{file} is no file of captions; name an existing {' or '.join(SUFFIXES)} file, as in "
            "captions:pairs.csv."
        )
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from _csv_rows(file, text) if file.suffix.lower() == ".csv" else _json_rows(text)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}; check its permissions.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8 text; save it as UTF-8.") from error
    except csv.Error as error:
        raise DatasetError(f"{file} is no proper CSV ({error}); correct its quotes.") from error


def _csv_rows(file: Path, text: TextIO) -> Iterator[tuple[int, Row | EntryError]]:
    first = text.readline()
    text.seek(0)
    separator = max(",;\t", key=lambda mark: (first.count(mark), mark == ","))
    reader = csv.reader(text, delimiter=separator, strict=True)
    header = [name.strip() for name in next(reader, [])]
    absent = [name for name in REQUIRED if name not in header]
    if absent or len(set(header)) < len(header) or "" in header:
        raise DatasetError(
            f"{file} has the header {terminal_safe(', '.join(header)) or '(none)'}; name each column once, "
            f"and write at least {' and '.join(REQUIRED)}."
        )
    for cells in reader:
        if len(cells) == len(header):
            yield reader.line_num, dict(zip(header, cells, strict=True))
        elif cells:
            yield reader.line_num, EntryError(f"{len(cells)} cells, but {len(header)} columns")


def _json_rows(text: TextIO) -> Iterator[tuple[int, Row | EntryError]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            yield number, EntryError("no JSON")
            continue
        yield number, row if isinstance(row, dict) else EntryError("no JSON object")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
