"""Rows out of a Parquet file, batch by batch: the columns of any manifest, and pictures inside the file.

A column `image` of bytes, or of a structure with a field `bytes` as the `datasets` library writes it, holds
the picture itself; then `path` is not opened and may be missing. Times become ISO 8601 (one without a zone is
taken as UTC), decimals become numbers, dictionaries their values; a list of four numbers, or a structure
`left, top, right, bottom`, is a box. Anything nested further is said about its row. What is damaged costs its
row group, not the others.
"""

import datetime
import decimal
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from indexer.errors import SourceError
from indexer.sources.rows import Row, RowError
from indexer.sources.tables import Rows

if TYPE_CHECKING:
    from pyarrow import Array, DataType, RecordBatch, Scalar
    from pyarrow.parquet import ParquetFile

ROWS_AT_ONCE = 64
"""Few, as each may hold a whole picture."""

LARGEST_HEADER = 100_000_000
PICTURE = "image"
SIDES = ("left", "top", "right", "bottom")


class ParquetTable:
    """The rows of a Parquet file, which `open_file` opens anew for each pass.

    Raises SourceError where it is none, or pyarrow is not installed; `shown` names it there.
    """

    def __init__(self, open_file: Callable[[], BinaryIO], shown: str) -> None:
        self._open_file, self._shown = open_file, shown
        with self._open_file() as file:
            schema = self._open(file).schema_arrow
        names: list[str] = schema.names
        if twice := [name for name in names if names.count(name) > 1]:
            raise SourceError(f"{shown} has the column {twice[0]} twice: rename or drop one.")
        self.picture_column = (
            PICTURE if PICTURE in names and _holds_bytes(schema.field(PICTURE).type) else None
        )

    def count(self) -> tuple[list[str], int]:
        """The columns and the number of rows, from the file's own description."""
        with self._open_file() as file:
            parquet = self._open(file)
            return list(parquet.schema_arrow.names), int(parquet.metadata.num_rows)

    def rows(self) -> Rows:
        """Every row, numbered from 1."""
        with self._open_file() as file:
            parquet = self._open(file)
            first = 1
            for group in range(parquet.num_row_groups):
                size = int(parquet.metadata.row_group(group).num_rows)
                yield from _group_rows(parquet, group, first, size)
                first += size

    def _open(self, file: BinaryIO) -> "ParquetFile":
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise SourceError(
                f"{self._shown} is a Parquet file, which needs pyarrow; run pip install cskt[parquet]."
            ) from None
        try:
            return ParquetFile(
                file,
                buffer_size=1 << 16,
                pre_buffer=False,
                page_checksum_verification=True,  # where the writer left checksums
                thrift_string_size_limit=LARGEST_HEADER,
                thrift_container_size_limit=LARGEST_HEADER,
            )
        except Exception as error:  # hostile bytes reach a large parser
            raise SourceError(f"{self._shown} is no proper Parquet file: {_first_words(error)}.") from None


def _group_rows(parquet: "ParquetFile", group: int, first: int, size: int) -> Rows:
    """One row group's rows; what of it cannot be read becomes one bad row."""
    number = first
    try:
        for batch in parquet.iter_batches(ROWS_AT_ONCE, row_groups=[group], use_threads=False):
            for row in _batch_rows(batch):
                yield number, row
                number += 1
    except Exception as error:
        reason = f"the rows {number} to {first + size - 1} cannot be read: {_first_words(error)}."
        yield number, RowError(reason)


def _batch_rows(batch: "RecordBatch") -> Iterator[Row | RowError]:
    names = batch.schema.names
    columns = [_values(batch.column(place)) for place in range(batch.num_columns)]
    for values in zip(*columns, strict=True):
        for name, value in zip(names, values, strict=True):
            if isinstance(value, RowError):
                yield RowError(f"column {name}: {value}")
                break
        else:
            yield {name: _plain(name, value) for name, value in zip(names, values, strict=True)}


def _values(column: "Array") -> list[object]:
    """The cells as Python values; one that Python cannot hold is a RowError in its place."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type) and column.type.unit == "ns":  # Python counts microseconds
        column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except Exception:
        return [_value(cell) for cell in column]


def _value(cell: "Scalar") -> object:
    try:
        value: object = cell.as_py()
    except Exception as error:
        return RowError(f"a value that cannot be read: {_first_words(error)}.")
    return value


def _plain(name: str, value: object) -> object:
    """A value as JSON would have it, where it has one."""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    if name == PICTURE and isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return value["bytes"]
    if name == "box" and isinstance(value, Mapping) and set(value) == set(SIDES):
        return [value[side] for side in SIDES]
    return value


def _holds_bytes(kind: "DataType") -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _first_words(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")[:200] or type(error).__name__
