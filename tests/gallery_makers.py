"""Items for gallery tests, and the independent truth: plain dicts, plain Python comparisons, a full sort."""

import sqlite3
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from indexer.gallery import open_gallery
from indexer.items import Box, EmbeddedItem, Filter, GalleryItem

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


def passes(item, where):
    """The words of Filter's docstring, as plain Python."""
    if where is None:
        return True
    return (
        (where.cameras is None or item.camera in where.cameras)
        and (where.tracks is None or item.track in where.tracks)
        and (where.sources is None or item.source in where.sources)
        and (where.seen_from is None or (item.seen_at is not None and item.seen_at >= where.seen_from))
        and (where.seen_until is None or (item.seen_at is not None and item.seen_at < where.seen_until))
        and all(item.attributes.get(name) == value for name, value in where.attributes.items())
    )


def brute_force(entries, query, k, where=None):
    """(key, score) of the best entries in the order they were added: score falling, the earlier first."""
    scored = [
        (-float(np.sum(entry.vector.astype(np.float16).astype(np.float64) * query.astype(np.float64))), place)
        for place, entry in enumerate(entries)
        if passes(entry.item, where)
    ]
    return [(entries[place].item.key, min(1.0, -negative)) for negative, place in sorted(scored)[:k]]


def assert_finds(gallery, entries, wanted, k=5, where: Filter | None = None):
    """Every query is answered exactly as brute force over the entries answers it, facts included."""
    facts = {entry.item.key: entry.item for entry in entries}
    answers = gallery.search(wanted, k, where)
    assert len(answers) == len(wanted)
    for hits, query in zip(answers, wanted, strict=True):
        expected = brute_force(entries, query, k, where)
        assert [hit.item.key for hit in hits] == [key for key, _ in expected]
        np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-9)
        assert all(hit.item == facts[hit.item.key] for hit in hits)


def index_files(folder):
    return sorted(Path(folder, "generations").glob("*.index"))


def sql(folder, statement, values=()):
    """Do something to the database behind the gallery's back, and see what a plain client sees."""
    connection = sqlite3.connect(Path(folder, "gallery.db"))
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def names(kind, count):
    return st.none() | st.lists(
        st.sampled_from([f"{kind}-{number}" for number in range(count)]), max_size=3, unique=True
    ).map(tuple)


MOMENTS = st.none() | st.integers(0, 59).map(lambda minute: f"2026-05-01T12:{minute:02d}:00.000Z")
FILTERS = st.builds(
    Filter,
    cameras=names("camera", 4),
    tracks=names("track", 5),
    sources=names("folder", 3),
    seen_from=MOMENTS,
    seen_until=MOMENTS,
    attributes=st.dictionaries(st.just("coat"), st.sampled_from(["red", "blue", "grey"]))
    | st.dictionaries(st.sampled_from(["bag", "no such"]), st.booleans()),
)
