"""How long people are kept: rules by camera, and who is kept longer than that."""

import sqlite3
from datetime import datetime, timedelta

from indexer.items import Overdue
from indexer.local.checked_rows import items
from indexer.local.checksums import sealed
from indexer.local.store import Store
from indexer.texts import storable
from indexer.times import iso

_NEVER = ""
"""Before this nothing happened."""


def rules(store: Store) -> dict[str, int]:
    """Seconds by camera, 0 for no limit; the camera '' stands for all that have no rule of their own."""
    return {camera: seconds for camera, seconds, _ in store.checked_rows("retention", "ORDER BY camera")}


def set_rule(connection: sqlite3.Connection, camera: str, seconds: int | None) -> None:
    """Let the items of a camera be kept so long; None takes its rule away."""
    connection.execute("DELETE FROM retention WHERE camera = ?", [storable(camera)])
    if seconds is not None:
        connection.execute("INSERT INTO retention VALUES (?, ?, ?)", sealed(storable(camera), seconds))


def overdue(store: Store, now: datetime) -> list[Overdue]:
    """For each camera that has any, the items that are too old at `now`, by the names of the cameras.

    An item's age counts from when it was seen; from when it was added if that is not known, or lies ahead.
    """
    with store.one_moment():
        before = {
            camera: iso(now - timedelta(seconds=seconds)) if seconds else _NEVER
            for camera, seconds in rules(store).items()
        }
        found: dict[str | None, list[int]] = {}
        for camera, id in _older(store, before, iso(now)) if before else ():
            found.setdefault(camera, []).append(id)
        items(store, [id for ids in found.values() for id in ids])  # nobody goes by a time that is not theirs
        counts = dict(store.rows("SELECT camera, count(*) FROM item GROUP BY 1")) if found else {}
    return [Overdue(camera, tuple(ids), counts[camera]) for camera, ids in found.items()]


def _older(store: Store, before: dict[str, str], now: str) -> list[tuple[str | None, int]]:
    """Camera and id of the items that are older than the time given for their camera."""
    query = (
        f"WITH rule (camera, before) AS (VALUES {', '.join(['(?, ?)'] * len(before))}) "
        "SELECT item.camera, item.id FROM item LEFT JOIN rule ON rule.camera = item.camera "
        "WHERE CASE WHEN seen_at IS NULL OR seen_at > ? THEN added_at ELSE seen_at END "
        "< coalesce(rule.before, ?) ORDER BY 1, 2"
    )
    named = [value for pair in before.items() for value in pair]
    return store.rows(query, [*named, now, before.get("", _NEVER)])
