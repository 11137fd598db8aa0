"""Rows out of text: CSV with comma, semicolon or tab, and JSON Lines (one object a line).

JSON values keep their types. In CSV a whole number, a decimal number (`0.9`, `.9`, `1e-05`), `true` and
`false` are taken as such, everything else stays text (`007` too); empty cells are left out.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

from indexer.errors import SourceError
from indexer.sources.rows import KNOWN_COLUMNS, Row, RowError, typed

Rows = Iterator[tuple[int, Row | RowError]]
"""(line or row number, the row or why it cannot be used)"""


class TextTable:
    """The rows of a CSV or JSON Lines file, which `open_file` opens anew for each pass.

    Raises SourceError, also while reading, where it is no such file; `shown` names it there.
    """

    picture_column: str | None = None

    def __init__(self, open_file: Callable[[], BinaryIO], shown: str, is_csv: bool) -> None:
        self._open_file, self._shown, self._is_csv = open_file, shown, is_csv

    def rows(self) -> Rows:
        """Every row that is not blank."""
        with closing(self._open()) as file:
            try:
                yield from self._csv_rows(file) if self._is_csv else _json_rows(file)
            except UnicodeDecodeError as error:
                raise SourceError(f"{self._shown} is not UTF-8 text; save it as UTF-8.") from error
            except csv.Error as error:
                raise SourceError(f"{self._shown} is no proper CSV: {error}.") from error
            except OSError as error:
                raise SourceError(f"{self._shown} cannot be read: {error.strerror or error}.") from error

    def count(self) -> tuple[list[str], int]:
        """The columns (of JSON Lines: of the first object) and the number of rows."""
        count, columns = 0, list[str]()
        for _, row in self.rows():
            count += 1
            if not columns and not isinstance(row, RowError):
                columns = list(row)
        if self._is_csv:
            with closing(self._open()) as file:
                columns = list(self._reader(file).fieldnames or [])
        return columns, count

    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._open_file(), encoding="utf-8-sig", newline="")

    def _reader(self, file: io.TextIOWrapper) -> "csv.DictReader[str]":
        """A CSV reader for the separator of the first line: comma, semicolon or tab."""
        first = file.readline()
        separator = max(",;\t", key=lambda mark: (first.count(mark), mark == ","))
        reader = csv.DictReader(_with_first(first, file), delimiter=separator, strict=True)
        names = [name.strip() for name in reader.fieldnames or []]
        if twice := [name for name in names if name and names.count(name) > 1]:
            raise SourceError(f"{self._shown} has the column {twice[0]} twice: rename or drop one.")
        reader.fieldnames = names
        return reader

    def _csv_rows(self, file: io.TextIOWrapper) -> Rows:
        reader = self._reader(file)
        for row in reader:
            if None in row:
                problem = RowError(f"has more cells than the {len(reader.fieldnames or [])} columns.")
                yield reader.line_num, problem
            else:
                yield (
                    reader.line_num,
                    {
                        name: cell.strip() if name in KNOWN_COLUMNS else typed(cell)
                        for name, cell in row.items()
                        if cell and cell.strip()
                    },
                )


def _with_first(first: str, file: io.TextIOWrapper) -> Iterator[str]:
    """All lines again, after the first has been read: what comes over a network cannot be wound back."""
    yield first
    yield from file


def _json_rows(file: io.TextIOWrapper) -> Rows:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, RowError("is no JSON.")
            continue
        yield number, row if isinstance(row, dict) else RowError("is no JSON object.")
