"""How long people are kept: rules by camera, and who is kept longer than that."""

import sqlite3
from datetime import datetime, timedelta

from indexer.items import Overdue
from indexer.local.store import Store
from indexer.texts import storable
from indexer.times import iso


def rules(store: Store) -> dict[str, int]:
    """Seconds by camera, 0 for no limit; the camera '' stands for all that have no rule of their own."""
    return dict(store.rows("SELECT camera, seconds FROM retention ORDER BY camera"))


def set_rule(connection: sqlite3.Connection, camera: str, seconds: int | None) -> None:
    """Let the items of a camera be kept so long; None takes its rule away."""
    connection.execute("DELETE FROM retention WHERE camera = ?", [storable(camera)])
    if seconds is not None:
        connection.execute("INSERT INTO retention VALUES (?, ?)", [storable(camera), seconds])


def overdue(store: Store, now: datetime) -> list[Overdue]:
    """For each camera that has any, the items that are too old at `now`, by the names of the cameras.

    An item's age counts from when it was seen; from when it was added if that is not known, or lies ahead.
    """
    with store.one_moment():
        known = rules(store)
        cameras = store.rows("SELECT camera, count(*) FROM item GROUP BY 1 ORDER BY 1") if known else []
        found = []
        for camera, items in cameras:
            seconds = known.get(camera or "", known.get("", 0))
            if seconds and (ids := _older(store, camera, iso(now), iso(now - timedelta(seconds=seconds)))):
                found.append(Overdue(camera, ids, items))
        return found


def _older(store: Store, camera: str | None, now: str, limit: str) -> tuple[int, ...]:
    query = (
        "SELECT id FROM item WHERE camera IS ? AND "
        "CASE WHEN seen_at IS NULL OR seen_at > ? THEN added_at ELSE seen_at END < ? ORDER BY id"
    )
    return tuple(id for (id,) in store.rows(query, [camera, now, limit]))
