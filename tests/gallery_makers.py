"""Items for gallery tests, and the independent truth: plain dicts, plain Python comparisons, a full sort."""

import sqlite3
from pathlib import Path

import numpy as np
from filter_makers import passes

from indexer.filters import Filter
from indexer.gallery import open_gallery
from indexer.items import Box, EmbeddedItem, GalleryItem
from indexer.local.checksums import enter_checksums

DIMENSION = 12
ENCODER = ("toy", "ab" * 32, DIMENSION)


def unit(vector):
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def queries(seed, count=3):
    rng = np.random.default_rng([seed, 1])
    return np.stack([unit(rng.standard_normal(DIMENSION)) for _ in range(count)])


def make_item(number, group=None):
    """Item `number`, always the same; items of one `group` have the same vector and so tie."""
    rng = np.random.default_rng([number, 3])
    vector = unit(np.random.default_rng([number if group is None else group, 2]).standard_normal(DIMENSION))
    item = GalleryItem(
        key=f"key-{number}",
        uri=f"pictures/{number}.jpg",
        source=f"folder-{rng.integers(2)}",
        box=Box(1.5, 2.0, 30.0, 90.25) if rng.random() < 0.5 else None,
        camera=None if rng.random() < 0.2 else f"camera-{rng.integers(3)}",
        seen_at=None if rng.random() < 0.2 else f"2026-05-01T12:{rng.integers(60):02d}:00.000Z",
        track=None if rng.random() < 0.5 else f"track-{rng.integers(4)}",
        attributes={"coat": str(rng.choice(["red", "blue"])), "bag": bool(rng.random() < 0.5)},
    )
    return EmbeddedItem(item, vector, b"\xff\xd8 thumbnail %d" % number)


def make_items(start, count):
    return [make_item(number) for number in range(start, start + count)]


def writer(folder):
    return open_gallery(folder, create_for=ENCODER, write=True)


def brute_force(entries, query, k, where=None, ids=None):
    """(key, score) of the best entries in the order they were added: score falling, the earlier first.

    `ids`: the id of each key, for filters that ask for it.
    """
    scored = [
        (-float(np.sum(entry.vector.astype(np.float16).astype(np.float64) * query.astype(np.float64))), place)
        for place, entry in enumerate(entries)
        if where is None or passes(entry.item, where, ids and ids[entry.item.key])
    ]
    return [(entries[place].item.key, min(1.0, -negative)) for negative, place in sorted(scored)[:k]]


def assert_finds(gallery, entries, wanted, k=5, where: Filter | None = None):
    """Every query is answered exactly as brute force over the entries answers it, facts included."""
    facts = {entry.item.key: entry.item for entry in entries}
    ids = None if where is None else dict(sql(gallery.folder, "SELECT key, id FROM item"))
    if where is not None:
        allowed = [passes(entry.item, where, ids[entry.item.key]) for entry in entries]
        assert gallery.count(where) == sum(allowed)
    answers = gallery.search(wanted, k, where)
    assert len(answers) == len(wanted)
    for hits, query in zip(answers, wanted, strict=True):
        expected = brute_force(entries, query, k, where, ids)
        assert [hit.item.key for hit in hits] == [key for key, _ in expected]
        np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-9)
        assert all(hit.item == facts[hit.item.key] for hit in hits)


def index_files(folder):
    return sorted(Path(folder, "segments").glob("*.rows"))


def derived_files(folder):
    """Every file made from the database."""
    return sorted(path for path in Path(folder, "segments").iterdir() if path.suffix)


def sql(folder, statement, values=()):
    """Do something to the database behind the gallery's back, and see what a plain client sees."""
    connection = sqlite3.connect(Path(folder, "gallery.db"))
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def change(folder, table, assignments, values=()):
    """Change rows as if they had been stored so: their checksums fit."""
    connection = sqlite3.connect(Path(folder, "gallery.db"))
    try:
        with connection:
            connection.execute(f"UPDATE {table} SET {assignments}", values)
            enter_checksums(connection)
    finally:
        connection.close()


def bytes_below(folder):
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def filled(folder, count=40):
    """A gallery of this many items, half of them in index files."""
    gallery = writer(folder)
    gallery.add(make_items(0, count // 2))
    gallery.build_generation()
    gallery.add(make_items(count // 2, count - count // 2))
    gallery.close()
    return make_items(0, count)


def assert_holds(folder, entries, seed=0):
    gallery = open_gallery(folder)
    assert len(gallery) == len(entries)
    assert gallery.verify() == []
    assert_finds(gallery, entries, queries(seed), 10)
    gallery.close()
