"""A list of images with what is known about them: CSV, or JSON Lines (one object a line).

Columns: `path` (relative to the manifest) and any of `key`, `camera`, `seen_at`, `track`, `box`; each further
column becomes an attribute. JSON values keep their types. In CSV a whole number, a decimal number, `true` and
`false` are taken as such, everything else stays text (`007`, `1e5` too); empty cells and nulls are left out.
Without a `key` an image's key is its absolute path, with its box where it has one.
"""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from indexer.decode import UnreadableImageError, printable, read_file
from indexer.errors import SourceError
from indexer.items import AttributeValue, Box, GalleryItem, RawImage, Rejected
from indexer.texts import storable
from indexer.times import to_utc

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
KNOWN_COLUMNS = ("path", "key", "camera", "seen_at", "track", "box")
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
Row = Mapping[str, object]


class RowError(Exception):
    """Why one row cannot be used, as one sentence."""


class ManifestSource:
    """The images a manifest names, in its order. A bad row is yielded as Rejected.

    Raises SourceError when the file cannot be read or has no `path` column.
    """

    def __init__(self, place: str) -> None:
        self._file = Path(place).expanduser()
        if not self._file.is_file():
            raise SourceError(
                f"{place} does not exist or is no file; name a manifest ({', '.join(MANIFEST_SUFFIXES)})."
            )
        if self._file.suffix.lower() not in MANIFEST_SUFFIXES:
            raise SourceError(f"{place} is no manifest; its name must end in {', '.join(MANIFEST_SUFFIXES)}.")
        self._file = self._file.resolve()
        self._is_csv = self._file.suffix.lower() in (".csv", ".tsv")
        self.name = f"manifest:{printable(self._file)}"
        self.total: int | None = self._check(place)

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        for number, row in self._rows():
            where = f"{printable(self._file)}#{number}"
            try:
                if isinstance(row, RowError):
                    raise row
                item, path = self._item(row)
            except RowError as error:
                yield Rejected(where, where, self.name, str(error))
                continue
            try:
                yield RawImage(item, read_file(path))
            except UnreadableImageError as error:
                yield Rejected(item.key, item.uri, self.name, str(error))

    def _check(self, place: str) -> int:
        """Count the rows and make sure of the path column, before anything is indexed."""
        count, columns = 0, list[str]()
        for _, row in self._rows():
            count += 1
            if not columns and not isinstance(row, RowError):
                columns = list(row)
        if self._is_csv:
            with self._open() as file:
                columns = list(self._reader(file).fieldnames or [])
        if "path" not in columns:
            found = ", ".join(columns) or "none"
            raise SourceError(f"{place} has no column named path; the columns found are: {found}.")
        if not count:
            raise SourceError(f"{place} has no row; write one row per image.")
        return count

    def _open(self) -> TextIO:
        try:
            return self._file.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise SourceError(f"{self._file} cannot be opened: {error.strerror}.") from error

    def _reader(self, file: TextIO) -> "csv.DictReader[str]":
        """A CSV reader for the separator of the first line: comma, semicolon or tab."""
        first = file.readline()
        file.seek(0)
        separator = max(",;\t", key=lambda mark: (first.count(mark), mark == ","))
        reader = csv.DictReader(file, delimiter=separator, strict=True)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        return reader

    def _rows(self) -> Iterator[tuple[int, Row | RowError]]:
        """(line number, row) of each row that is not blank."""
        with self._open() as file:
            try:
                yield from self._csv_rows(file) if self._is_csv else _json_rows(file)
            except UnicodeDecodeError as error:
                raise SourceError(f"{self._file} is not UTF-8 text; save it as UTF-8.") from error
            except csv.Error as error:
                raise SourceError(f"{self._file} is no proper CSV: {error}.") from error

    def _csv_rows(self, file: TextIO) -> Iterator[tuple[int, Row | RowError]]:
        reader = self._reader(file)
        for row in reader:
            if None in row:
                yield (
                    reader.line_num,
                    RowError(f"has more cells than the {len(reader.fieldnames or [])} columns."),
                )
            else:
                yield (
                    reader.line_num,
                    {
                        name: cell.strip() if name in KNOWN_COLUMNS else typed(cell)
                        for name, cell in row.items()
                        if cell and cell.strip()
                    },
                )

    def _path(self, named: str | None) -> Path:
        if named is None:
            raise RowError("has no path.")
        try:
            return (self._file.parent / named).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL byte
            raise RowError(f"column path: {named!r} is no path: {error}.") from error

    def _item(self, row: Row) -> tuple[GalleryItem, Path]:
        """The item of one row and the path of its image; raises RowError."""
        path = self._path(_text(row, "path"))
        uri = printable(path)
        box = read_box(row.get("box"))
        try:
            seen_at = _moment(row.get("seen_at"))
        except ValueError as error:
            raise RowError(f"column seen_at: {error}.") from error
        fragment = (
            f"#xywh={box.left:g},{box.top:g},{box.right - box.left:g},{box.bottom - box.top:g}" if box else ""
        )
        return GalleryItem(
            key=_text(row, "key") or uri + fragment,
            uri=uri,
            source=self.name,
            box=box,
            camera=_text(row, "camera"),
            seen_at=seen_at,
            track=_text(row, "track"),
            attributes={
                storable(name): _attribute(name, row[name]) for name in row if _is_attribute(name, row[name])
            },
        ), path


def _json_rows(file: TextIO) -> Iterator[tuple[int, Row | RowError]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, RowError("is no JSON.")
            continue
        yield number, row if isinstance(row, dict) else RowError("is no JSON object.")


def typed(cell: str) -> AttributeValue:
    """What a CSV cell says: a number, true, false, or text."""
    text = cell.strip()
    if text in ("true", "false"):
        return text == "true"
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def read_box(value: object) -> Box | None:
    """`left,top,right,bottom`, a JSON list in text, or a list of four numbers; raises RowError."""
    if value is None or value == "":
        return None
    problem = RowError(f"column box: {value!r} is no box; write left,top,right,bottom in pixels.")
    parts = value.strip().strip("[]()").replace(";", ",").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 4:
        raise problem
    try:
        left, top, right, bottom = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise problem from None
    if not all(math.isfinite(side) for side in (left, top, right, bottom)) or right <= left or bottom <= top:
        raise problem
    return Box(left, top, right, bottom)


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"column {name}: {value!r} is no text.")
    return storable(str(value))


def _moment(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no time")
    return to_utc(value)


def _is_attribute(name: str, value: object) -> bool:
    return bool(name) and name not in KNOWN_COLUMNS and value is not None and value != ""


def _attribute(name: str, value: object) -> AttributeValue:
    if isinstance(value, str):
        return storable(value)
    if (
        isinstance(value, bool)
        or (isinstance(value, int) and abs(value) < 2**63)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    raise RowError(f"column {name}: an attribute is a text, a number, true or false.")
