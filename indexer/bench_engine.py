"""The engine part of `cskt bench gallery`: storing, opening and searching many vectors, without an encoder.

The vectors are synthetic: twenty to a person, in 64 directions of 512 numbers, with noise; queries lie near
persons. Each figure has its baseline in the same run, in turns: bare SQLite for storing, one plain FAISS
index of the same rows in half precision for opening and searching, the unfiltered search for filters.
"""

import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.bench_peers import measure_peers
from indexer.filters import Compare
from indexer.gallery import Gallery, open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from model.bench_report import Result, measured, resident_bytes

if TYPE_CHECKING:
    from indexer.vectors.plain_faiss import PlainIndex

DIMENSION, BATCH, HITS = 512, 4096, 10
SELECTIVITIES = (0.5, 0.1, 0.01, 0.001, 0.0001)
GOAL_INGEST, GOAL_OPEN, GOAL_LOST, GOAL_OVERHEAD = 100_000.0, 2.0, 30.0, 1.1
GOAL_FACTS_MS, GOAL_FILTER, GOAL_RECALL = 1.0, 3.0, 0.99
MADE_FOR = ("bench", "be" * 32, DIMENSION)
MEDIAN = "median"
_LATENT, _EACH, _SEED = 64, 20, 3
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EngineOrder:
    """What to measure: so many rows, these kinds of index, so many searches for each figure."""

    rows: int
    kinds: Sequence[str]
    searches: int
    peers: bool = False


def vectors_of(rows: int) -> Iterator[Vectors]:
    """Synthetic unit vectors, a batch at a time; the same ones each time."""
    for start in range(0, rows, BATCH):
        people, rng = _people(start // BATCH), np.random.default_rng([_SEED, start])
        noise = 0.5 * rng.standard_normal((len(people) * _EACH, _LATENT), dtype=np.float32)
        yield _spread(np.repeat(people, _EACH, axis=0)[:BATCH] + noise[:BATCH], rng)[: rows - start]


def written_vectors(file: Path, count: int) -> Vectors:
    """The synthetic vectors (count, dimension) in a file, so that making them is no part of any figure."""
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (count, DIMENSION))
    start = 0
    for vectors in vectors_of(count):
        rows[start : start + len(vectors)] = vectors
        start += len(vectors)
    return rows


def in_batches(rows: Vectors) -> Iterator[Vectors]:
    """The rows as galleries are given them."""
    for start in range(0, len(rows), BATCH):
        yield np.array(rows[start : start + BATCH])


def queries_of(rows: int, count: int) -> Vectors:
    """Unit vectors near some of the persons."""
    rng = np.random.default_rng(_SEED + 1)
    batches = rng.integers(0, max(1, rows // BATCH), count)
    people = np.stack([_people(int(batch))[rng.integers(0, 40)] for batch in batches])
    return _spread(people + 0.7 * rng.standard_normal(people.shape, dtype=np.float32), rng)


def _people(batch: int) -> Vectors:
    count = -(-BATCH // _EACH)
    return np.random.default_rng([_SEED, 7, batch]).standard_normal((count, _LATENT), dtype=np.float32)


def _spread(latent: Vectors, rng: np.random.Generator) -> Vectors:
    basis = np.random.default_rng(_SEED).standard_normal((_LATENT, DIMENSION), dtype=np.float32) / 8
    rows = latent @ basis + 0.35 * rng.standard_normal((len(latent), DIMENSION), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows, np.float32)


def items_of(start: int, vectors: Vectors) -> list[EmbeddedItem]:
    """The vectors as items with the usual facts; no thumbnails."""
    return [EmbeddedItem(_item(start + place), vector, b"") for place, vector in enumerate(vectors)]


def _item(number: int) -> GalleryItem:
    seconds = number % 86_400
    return GalleryItem(
        key=f"/people/{number:08d}.jpg",
        uri=f"/people/{number:08d}.jpg",
        source="manifest:/people/people.csv",
        camera=f"camera-{number % 20}",
        seen_at=f"2026-05-01T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.000Z",
        track=f"track-{number // 5}",
        attributes={"coat": ("red", "blue", "black")[number % 3], "bag": number % 2 == 0, "number": number},
    )


def measure_engine(order: EngineOrder) -> list[Result]:
    """All figures, in a folder that is removed afterwards."""
    from indexer.vectors.plain_faiss import PlainIndex

    place = Path(tempfile.mkdtemp(prefix="cskt-bench-"))
    try:
        rows = written_vectors(place / "vectors.npy", order.rows)
        results = [_ingest(rows, place, bare_ingest_rate(place / "bare.db", rows))]
        plain = PlainIndex(DIMENSION, place / "plain.index", in_batches(rows))
        results += _opening(order, place, plain)
        queries = queries_of(order.rows, order.searches)
        by_kind = {kind: measure_kind(order, place, kind, plain, queries) for kind in order.kinds}
        results += [result for found in by_kind.values() for result in found]
        if order.peers:
            medians = {
                kind: result.value
                for kind, found in by_kind.items()
                for result in found
                if MEDIAN in result.name
            }
            truth = [set(plain.search(query, HITS)) for query in queries]
            results += measure_peers(rows, queries, truth, medians)
        return results
    finally:
        shutil.rmtree(place, ignore_errors=True)


def bare_ingest_rate(file: Path, given: Vectors) -> float:
    """Vectors a second into one table of SQLite that is as durable, and nothing else."""
    connection = sqlite3.connect(file, isolation_level=None)
    for setting in ("page_size=16384", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("CREATE TABLE vector (id INTEGER PRIMARY KEY, value BLOB NOT NULL)")
    rows, spent = 0, 0.0
    for vectors in in_batches(given):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        values = [(row.tobytes(),) for row in vectors.astype("<f2")]
        connection.executemany("INSERT INTO vector (value) VALUES (?)", values)
        connection.execute("COMMIT")
        spent += time.perf_counter() - began
        rows += len(vectors)
    connection.close()
    return rows / spent


def _ingest(rows: Vectors, place: Path, bare: float) -> Result:
    gallery = open_gallery(place / "g", create_for=MADE_FOR, write=True, kind="exact")
    spent, start = 0.0, 0
    for vectors in in_batches(rows):
        items = items_of(start, vectors)
        began = time.perf_counter()
        gallery.add(items)
        spent += time.perf_counter() - began
        start += len(vectors)
    gallery.close()
    name = f"storing {len(rows)} items, {BATCH} a transaction (baseline: bare vectors in SQLite)"
    return measured(name, len(rows) / spent, "vectors/s", baseline=bare, at_least=GOAL_INGEST)


def _opening(order: EngineOrder, place: Path, plain: "PlainIndex") -> list[Result]:
    """Opening without index files, building them, opening with them, and what a vector takes."""
    lost = _seconds(lambda: _opened(place / "g").close())
    gallery = open_gallery(place / "g", write=True)
    build = _seconds(gallery.build_generation)
    gallery.close()
    before = resident_bytes()
    began = time.perf_counter()
    reader = _opened(place / "g")
    opened = time.perf_counter() - began
    memory = (resident_bytes() - before) / order.rows
    disk = reader.stats().bytes_on_disk / order.rows
    reader.close()
    raw = _seconds(plain.read)
    return [
        measured("opening without index files", lost, "s", at_most=GOAL_LOST),
        measured("building index files", build, "s"),
        measured("opening (baseline: faiss.read_index)", opened, "s", baseline=raw, at_most=GOAL_OPEN),
        measured("memory for each vector, facts included", memory, "bytes", baseline=2.0 * DIMENSION),
        measured("disk for each item, index files included", disk, "bytes", baseline=2.0 * DIMENSION),
    ]


def _opened(folder: Path) -> Gallery:
    gallery = open_gallery(folder)
    gallery.refresh()
    return gallery


def measure_kind(
    order: EngineOrder, place: Path, kind: str, plain: "PlainIndex", queries: Vectors
) -> list[Result]:
    """Latency and rate of one kind of index against plain FAISS, its recall, and filters."""
    began = time.perf_counter()
    gallery = open_gallery(place / "g", write=True)
    gallery.use_kind(kind)
    gallery.build_generation()
    gallery.close()
    build = time.perf_counter() - began
    reader = _opened(place / "g")
    try:
        results = [measured(f"{kind}: making it", build, "s")]
        results += _latency(kind, reader, plain, queries)
        if kind == "exact":
            results += _facts(reader, queries) + _filters(order, reader, queries)
        return results
    finally:
        reader.close()


def _latency(kind: str, reader: Gallery, plain: "PlainIndex", queries: Vectors) -> list[Result]:
    """One query at a time, ours and the baseline in turns; then two threads at once."""
    ours, raw, found = [], [], 0
    for query in queries:
        began = time.perf_counter()
        hits = reader.search(query[None], HITS)[0]
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        rows = plain.search(query, HITS)
        raw.append(time.perf_counter() - began)
        found += len({int(hit.item.attributes["number"]) for hit in hits} & set(rows))
    with ThreadPoolExecutor(2) as pool:
        began = time.perf_counter()
        list(pool.map(lambda query: reader.search(query[None], HITS), queries))
        rate = len(queries) / (time.perf_counter() - began)
    p50, p99 = (float(np.percentile(ours, share)) * 1000 for share in (50, 99))
    raw50, raw99 = (float(np.percentile(raw, share)) * 1000 for share in (50, 99))
    name = f"{kind}: one query, {HITS} hits with facts"
    return [
        measured(f"{name}, {MEDIAN} (baseline: faiss exact)", p50, "ms", baseline=raw50, at_most=1.1 * raw50),
        measured(f"{name}, 99th of 100", p99, "ms", baseline=raw99),
        measured(f"{kind}: queries a second, two threads", rate, "1/s", baseline=1000 / raw50),
        measured(f"{kind}: recall@{HITS}", found / (HITS * len(queries)), "", at_least=GOAL_RECALL),
    ]


def _facts(reader: Gallery, queries: Vectors) -> list[Result]:
    ids = [[hit.id for hit in hits] for hits in reader.search(queries, HITS)]
    spent = [_seconds(partial(list, map(reader.get, some))) for some in ids]
    name = f"reading the facts of {HITS} hits, one by one"
    return [measured(name, 1000 * statistics.median(spent), "ms", at_most=GOAL_FACTS_MS)]


def _filters(order: EngineOrder, reader: Gallery, queries: Vectors) -> list[Result]:
    """Latency by the share of rows that a filter leaves; each filter is asked for the first time once."""
    results = []
    for share in SELECTIVITIES:
        where = Compare("attributes.number", "<", max(1, int(share * order.rows)))
        first = _seconds(partial(reader.search, queries[:1], HITS, where))
        ours, free = [], []
        for query in queries:
            ours.append(_seconds(partial(reader.search, query[None], HITS, where)))
            free.append(_seconds(partial(reader.search, query[None], HITS)))
        p50, base = 1000 * statistics.median(ours), 1000 * statistics.median(free)
        name = f"a filter that leaves {100 * share:g} %"
        goal = GOAL_FILTER * base
        results += [
            measured(f"{name} (baseline: unfiltered)", p50, "ms", baseline=base, at_most=goal),
            measured(f"{name}, the first time", 1000 * first, "ms", baseline=base, at_most=goal),
        ]
    return results


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
