"""What stands beside a row: the rest of its passage, what its camera saw around then, who looks alike."""

from datetime import datetime, timedelta

from indexer.filters import Compare, Filter, OneOf, all_of
from indexer.gallery import Gallery
from indexer.items import GalleryItem, Hit
from indexer.times import to_utc

MOST_READ = 5000
"""Rows looked at for one answer; a camera that sees more within the time is asked for a shorter one."""

Neighbour = tuple[int, GalleryItem]


def of_track(gallery: Gallery, id: int, item: GalleryItem, limit: int) -> list[Neighbour]:
    """The other crops of the same passage in the order of time; none for a row without a track."""
    if item.track is None:
        return []
    same = all_of(
        OneOf("track", (item.track,)),
        OneOf("source", (item.source,)),
        OneOf("camera", (item.camera,)) if item.camera is not None else None,
    )
    rows = [row for row in _rows(gallery, same, id) if row[1].camera == item.camera]
    return sorted(rows, key=lambda row: (row[1].seen_at or "", row[0]))[:limit]


def by_time(gallery: Gallery, id: int, item: GalleryItem, minutes: int, limit: int) -> list[Neighbour]:
    """What the same camera saw so many minutes before and after, the nearest in time first."""
    if item.seen_at is None or item.camera is None:
        return []
    moment, window = _time(item.seen_at), timedelta(minutes=minutes)
    near = all_of(
        OneOf("camera", (item.camera,)),
        Compare("seen_at", ">=", to_utc((moment - window).isoformat())),
        Compare("seen_at", "<=", to_utc((moment + window).isoformat())),
    )
    rows = _rows(gallery, near, id)
    return sorted(rows, key=lambda row: (abs(_time(row[1].seen_at or "") - moment), row[0]))[:limit]


def alike(gallery: Gallery, id: int, where: Filter | None, limit: int) -> list[Hit]:
    """The rows with the nearest vectors, best first."""
    vector = gallery.vector(id)
    if vector is None:
        return []
    hits = gallery.search(vector[None], limit + 1, where)[0]
    return [hit for hit in hits if hit.id != id][:limit]


def _rows(gallery: Gallery, where: Filter | None, but: int) -> list[Neighbour]:
    rows = []
    for id in gallery.ids(where)[:MOST_READ].tolist():
        item = gallery.get(id) if id != but else None
        if item is not None:
            rows.append((id, item))
    return rows


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
