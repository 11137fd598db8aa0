"""Items as they are read: every row fits its checksum, or its item is named and nothing of it is shown."""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from indexer.errors import GalleryCorrupt
from indexer.items import Box, GalleryItem
from indexer.local.checksums import DERIVED, ITEM_COLUMNS, SEALED, fits, torn_texts
from indexer.local.database import damaged, damaged_item, in_chunks, marks
from indexer.local.facts import FactRow
from indexer.local.store import Store

Crop = tuple[int, bytes | None]
"""An item's id and its stored JPEG."""

_FACTS = "the facts of item {} do not fit their checksum"
_PICTURE = "the thumbnail of item {} does not fit its checksum"
_FACTS_AT_ONCE, _PICTURES_AT_ONCE = 4096, 512
_PICTURES = (
    "SELECT item.id, thumbnail_crc, jpeg FROM item LEFT JOIN thumbnail ON thumbnail.item_id = item.id WHERE "
)


def items(store: Store, ids: Iterable[int]) -> dict[int, GalleryItem]:
    """The facts of those of the items that exist. GalleryCorrupt if those of one are damaged."""
    found = {}
    for chunk in in_chunks(dict.fromkeys(ids)):
        for row in _rows(store, f"id IN ({marks(chunk)})", chunk):
            found[row[0]] = _item(store, row)
    return found


def _item(store: Store, row: Sequence[Any]) -> GalleryItem:
    id, key, uri, source, box, camera, seen_at, track, attributes, *_ = row
    try:
        corners = Box(*json.loads(box)) if box else None
        return GalleryItem(key, uri, source, corners, camera, seen_at, track, json.loads(attributes))
    except (ValueError, TypeError) as error:
        raise damaged_item(store.path, id, f"the facts of item {id} cannot be read") from error


def fact_rows(store: Store, after: int, up_to: int, limit: int = -1) -> list[FactRow]:
    """The filterable facts of the items with after < id <= up_to, ascending. GalleryCorrupt.

    Where a turned bit misleads the search for the first of them, none is found: their vectors tell.
    """
    facts = _fact_rows(store, "id > ? AND id <= ? ORDER BY id LIMIT ?", [after, up_to, limit])
    if not facts and store.has_rows(after, up_to):
        raise damaged(store.path, f"the vectors behind that of item {after} have no items")
    return facts


def changed_facts(store: Store, after_changes: int) -> list[FactRow]:
    """The facts of the items that changed after so many changes, in any order; reads no others."""
    return _fact_rows(store, "changed > 0 AND changed > ?", [after_changes])


def _fact_rows(store: Store, condition: str, values: Sequence[object]) -> list[FactRow]:
    facts: list[FactRow] = []
    for id, _, _, source, _, camera, seen_at, track, attributes, *_ in _rows(store, condition, values):
        try:
            facts.append((id, source, camera, track, seen_at, json.loads(attributes)))
        except (ValueError, TypeError) as error:
            raise damaged_item(store.path, id, f"the attributes of item {id} cannot be read") from error
    return facts


def _rows(store: Store, condition: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    rows = even_torn(store, f"SELECT {ITEM_COLUMNS}, crc FROM item WHERE {condition}", values)
    for row in rows:
        if not fits(row):
            raise damaged_item(store.path, row[0], _FACTS.format(row[0]))
    return rows


def thumbnail(store: Store, id: int) -> bytes | None:
    """The stored JPEG of one item, or None. GalleryCorrupt if it is damaged."""
    found = crops(store, "item.id = ?", [id])
    return found[0][1] if found else None


def crops(store: Store, condition: str, values: Sequence[object]) -> list[Crop]:
    """The stored JPEGs of the items under a condition. GalleryCorrupt if one is damaged."""
    rows = even_torn(store, _PICTURES + condition, values)
    for row in rows:
        if not _fits_picture(*row):
            raise damaged_item(store.path, row[0], _PICTURE.format(row[0]))
    return [(id, jpeg) for id, _, jpeg in rows]


def _fits_picture(_id: int, crc: object, jpeg: object) -> bool:
    """Whether this is the JPEG, or the absence of one, that was stored."""
    if jpeg is None or crc is None:
        return jpeg is crc
    return isinstance(jpeg, bytes) and zlib.crc32(jpeg) == crc


def damaged_facts(store: Store) -> Iterator[str]:
    """One sentence for each item whose facts do not fit their checksum."""
    query = f"SELECT {ITEM_COLUMNS}, crc FROM item WHERE id > ? ORDER BY id LIMIT {_FACTS_AT_ONCE}"
    after = 0
    while rows := even_torn(store, query, [after]):
        yield from (f"{_FACTS.format(row[0])}." for row in rows if not fits(row))
        after = rows[-1][0]


def damaged_thumbnails(store: Store) -> Iterator[str]:
    """One sentence for each item whose thumbnail is not the one that was stored, and for those of no item."""
    query = f"{_PICTURES} item.id > ? ORDER BY item.id LIMIT {_PICTURES_AT_ONCE}"
    after = 0
    while rows := even_torn(store, query, [after]):
        yield from (f"{_PICTURE.format(row[0])}." for row in rows if not _fits_picture(*row))
        after = rows[-1][0]
    (lost,) = store.row("SELECT count(*) FROM thumbnail WHERE item_id NOT IN (SELECT id FROM item)")
    if lost:
        yield f"{lost} thumbnails belong to no item."


def damaged_entries(store: Store) -> Iterator[str]:
    """One sentence for each row of the other tables that does not fit its checksum, but of files' entries."""
    for table in SEALED.keys() - DERIVED:
        columns = SEALED[table]
        query = (
            f"SELECT rowid, {columns}, crc FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_FACTS_AT_ONCE}"
        )
        after = 0
        while rows := even_torn(store, query, [after]):
            yield from (
                f"entry {row[0]} of the table {table} does not fit its checksum."
                for row in rows
                if not fits(row[1:])
            )
            after = rows[-1][0]


def even_torn(store: Store, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """The rows of a query, also where a text is no UTF-8 any more: no checksum fits such a one."""
    try:
        return store.rows(query, values)
    except GalleryCorrupt:
        with torn_texts(store.connection()):
            return store.rows(query, values)
