"""The filterable facts of many rows as columns: any Filter becomes one mask, without the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from indexer.filters import ATTRIBUTE, AllOf, AnyOf, Compare, Exists, Filter, Not, OneOf
from indexer.items import AttributeValue
from indexer.local import facts_file
from indexer.local.column import Column, Mask
from indexer.local.distinct_values import Numbers, matching, wanted_by
from indexer.texts import storable
from indexer.vectors.scoring import check_ascending
from indexer.vectors.vector_index import Ids, Sink, Source

FactRow = tuple[int, str, str | None, str | None, str | None, Mapping[str, AttributeValue]]
"""id, source, camera, track, seen_at, attributes."""

_COLUMN_FIELDS = ("source", "camera", "track", "seen_at")
_READ_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class Facts:
    """The facts of rows with ascending ids (rows,), never changed: a column for each field that a row has."""

    ids: Ids
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    @classmethod
    def from_rows(cls, rows: Iterable[FactRow]) -> "Facts":
        """ValueError if the ids do not ascend, TypeError for an attribute that is no AttributeValue."""
        ids: list[int] = []
        found: dict[str, tuple[list[int], list[AttributeValue]]] = {}
        for place, (id, *own, attributes) in enumerate(rows):
            ids.append(id)
            for field, value in _fields(own, attributes).items():
                places, values = found.setdefault(field, ([], []))
                places.append(place)
                values.append(value)
        all_ids = np.array(ids, np.int64)
        check_ascending(all_ids[:0], all_ids)
        return cls(all_ids, {field: Column.of(len(ids), *given) for field, given in found.items()})

    def changed(self, rows: Iterable[FactRow]) -> "Facts":
        """These rows replaced where their ids are present; the others are ignored. Shares what stays."""
        given = {id: _fields(own, attributes) for id, *own, attributes in rows}
        present = np.isin(self.ids, np.fromiter(given, np.int64, len(given)))
        places = np.flatnonzero(present).tolist()
        new = [given[id] for id in self.ids[present].tolist()]
        columns = dict(self.columns)
        for field in columns.keys() | {field for row in new for field in row}:
            column = columns.get(field) or Column.of(len(self), [], [])
            columns[field] = column.changed(places, [row.get(field) for row in new])
        return Facts(self.ids, {field: column for field, column in columns.items() if len(column.values)})

    def mask(self, where: Filter) -> Mask:
        """Which rows (rows,) the filter lets through."""
        match where:
            case AllOf(parts):
                mask = np.ones(len(self), np.bool_)
                for part in parts:
                    mask &= self.mask(part)
                return mask
            case AnyOf(parts):
                mask = np.zeros(len(self), np.bool_)
                for part in parts:
                    mask |= self.mask(part)
                return mask
            case Not(part):
                return ~self.mask(part)
        return self._met(where)

    def _met(self, condition: OneOf | Compare | Exists) -> Mask:
        if condition.field == "id":
            return self._met_by_id(condition)
        column = self.columns.get(storable(condition.field))
        return np.zeros(len(self), np.bool_) if column is None else column.mask(condition)

    def _met_by_id(self, condition: OneOf | Compare | Exists) -> Mask:
        if isinstance(condition, Exists):
            return np.ones(len(self), np.bool_)
        mask = np.zeros(len(self), np.bool_)
        for low, high in matching(Numbers(self.ids), condition, wanted_by(condition)[1]):
            mask[low:high] = True
        return mask

    def counts(self, field: str) -> list[tuple[AttributeValue, int]]:
        """The field's values, each with the number of rows that have it: numbers before texts, ascending."""
        column = self.columns.get(storable(field))
        return [] if column is None else column.counts()

    def write(self, sink: Sink) -> None:
        """Write the facts so that `read` restores them. OSErrors of the sink pass through."""
        sink.write(facts_file.to_bytes(self.ids, self.columns))

    @classmethod
    def read(cls, source: Source) -> "Facts":
        """Restore what `write` wrote; ValueError if it is not that. Check its sha256 first."""
        return cls(*facts_file.from_bytes(b"".join(iter(lambda: source.read(_READ_BYTES), b""))))


def _fields(own: Sequence[str | None], attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """What a row has, by the names that a Filter uses."""
    fields: dict[str, AttributeValue] = {
        field: value for field, value in zip(_COLUMN_FIELDS, own, strict=True) if value is not None
    }
    for name, value in attributes.items():
        fields[_attribute_field(name)] = value
    return fields


@lru_cache(1024)
def _attribute_field(name: str) -> str:
    return storable(ATTRIBUTE + name)
