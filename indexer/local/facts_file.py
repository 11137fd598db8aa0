"""The file of facts: the safetensors format, with a JSON list of the columns as one of the arrays.

Reading checks everything on which searching relies for its memory. That the values are the true ones is what
the checksum of the file is for.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from indexer.local.column import Column
from indexer.local.distinct_values import Texts, Values
from indexer.vectors.vector_index import Ids

Array = npt.NDArray[Any]

_FORMAT = 1
_CONTINUES = 0x80
"""The two highest bits of a byte of UTF-8 that does not begin a character."""


def to_bytes(ids: Ids, columns: Mapping[str, Column]) -> bytes:
    """The rows' ids and the columns by field as the content of a file."""
    arrays: dict[str, Array] = {"ids": ids}
    head = []
    for place, (field, column) in enumerate(columns.items()):
        values = column.values
        large = [hex(number) for number in values.large]
        head.append({"field": field, "truths": values.truths, "large": large})
        letters = np.frombuffer(values.texts.letters, np.uint8)
        parts = {"codes": column.codes, "integers": values.integers, "floats": values.floats}
        parts |= {"letters": letters, "ends": values.texts.ends}
        if column.places is not None:
            parts["places"] = column.places
        arrays |= {f"{place}.{name}": part for name, part in parts.items()}
    text = json.dumps({"format": _FORMAT, "columns": head}).encode()
    return save(arrays | {"head": np.frombuffer(text, np.uint8)})


def from_bytes(data: bytes) -> tuple[Ids, dict[str, Column]]:
    """Ids and columns again; ValueError if the bytes are anything else."""
    try:
        arrays = load(data)
        head = json.loads(arrays["head"].tobytes())
        if head["format"] != _FORMAT:
            raise ValueError(f"facts in format {head['format']!r}, not {_FORMAT}")
        ids = _ascending(arrays["ids"], "i8")
        columns = {
            str(entry["field"]): _column(len(ids), entry, arrays, place)
            for place, entry in enumerate(head["columns"])
        }
    except (SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a file of facts: {error!r}") from error
    return ids, columns


def _column(rows: int, entry: dict[str, Any], arrays: dict[str, Array], place: int) -> Column:
    parts = {name: arrays[f"{place}.{name}"] for name in ("codes", "integers", "floats", "letters", "ends")}
    truths, large = tuple(entry["truths"]), tuple(int(number, 16) for number in entry["large"])
    if truths not in ((), (False,), (True,), (False, True)) or sorted(set(large)) != list(large):
        raise ValueError("truth values or large numbers that are none")
    values = Values(
        tuple(map(bool, truths)),
        _ascending(parts["integers"], "i8"),
        large,
        _floats(parts["floats"]),
        _texts(parts["letters"], parts["ends"]),
    )
    codes, places = parts["codes"], arrays.get(f"{place}.places")
    if places is not None and len(_ascending(places, "u")) and places[-1] >= rows:
        raise ValueError("places beyond the rows")
    expected = rows if places is None else len(places)
    if (
        codes.dtype.kind != "u"
        or codes.itemsize > 4
        or codes.shape != (expected,)
        or codes.max(initial=0) > len(values)
    ):
        raise ValueError("codes that do not fit the rows or the values")
    return Column(rows, codes, places, values)


def _ascending(array: Array, kind: str) -> Array:
    if array.ndim != 1 or kind not in (array.dtype.kind, array.dtype.str[1:]):
        raise ValueError("an array of another kind")
    if np.any(array[1:] <= array[:-1]):
        raise ValueError("an array that does not ascend")
    return array


def _floats(array: Array) -> Array:
    """Ascending, with at most one NaN, which stands last."""
    unordered = len(array) > 0 and array.ndim == 1 and array.dtype == np.float64 and np.isnan(array[-1])
    ordered = _ascending(array[:-1] if unordered else array, "f8")
    if np.isnan(ordered).any():
        raise ValueError("an array that does not ascend")
    return array


def _texts(letters: Array, ends: Array) -> Texts:
    """Slices of proper UTF-8, each beginning where a character does; an empty text can only be the first."""
    if letters.dtype != np.uint8 or letters.ndim != 1 or len(_ascending(ends, "u")) == 0:
        if letters.size == ends.size == 0:
            return Texts.of([])
        raise ValueError("texts without ends")
    if ends[-1] != len(letters) or np.any((letters[ends[:-1]] & 0xC0) == _CONTINUES):
        raise ValueError("texts with wrong ends")
    content = letters.tobytes()
    content.decode()
    return Texts(content, ends)
