"""The engine part of `cskt bench gallery`: storing, opening and searching many vectors, without an encoder.

Each figure has its baseline in the same run, in turns: bare SQLite for storing, one plain FAISS index of the
same rows in half precision for opening, see `bench_search.py` for searching, `bench_vectors.py` for the rows.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.bench_peers import measure_peers
from indexer.bench_search import HITS, MEDIAN, measure_kind, opened, seconds
from indexer.bench_vectors import (
    BATCH,
    DIMENSION,
    Vectors,
    in_batches,
    items_of,
    queries_of,
    written_vectors,
)
from indexer.gallery import open_gallery
from indexer.vectors.plain_faiss import PlainIndex
from model.bench_report import Result, measured, resident_bytes

GOAL_INGEST, GOAL_OPEN, GOAL_LOST = 100_000.0, 2.0, 30.0
MADE_FOR = ("bench", "be" * 32, DIMENSION)


@dataclass(frozen=True)
class EngineOrder:
    """What to measure: so many rows, these kinds of index, so many searches for each figure."""

    rows: int
    kinds: Sequence[str]
    searches: int
    peers: bool = False


def measure_engine(order: EngineOrder) -> list[Result]:
    """All figures, in a folder that is removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="cskt-bench-"))
    try:
        rows = written_vectors(place / "vectors.npy", order.rows)
        results = [_ingest(rows, place, bare_ingest_rate(place / "bare.db", rows))]
        plain = PlainIndex(DIMENSION, place / "plain.index", in_batches(rows))
        results += _opening(order, place, plain)
        queries = queries_of(order.rows, order.searches)
        by_kind = {kind: measure_kind(place / "g", kind, plain, queries) for kind in order.kinds}
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


def _opening(order: EngineOrder, place: Path, plain: PlainIndex) -> list[Result]:
    """Opening without index files, building them, opening with them, and what a vector takes."""
    lost = seconds(lambda: opened(place / "g").close())
    gallery = open_gallery(place / "g", write=True)
    build = seconds(gallery.build_generation)
    gallery.close()
    before = resident_bytes()
    began = time.perf_counter()
    reader = opened(place / "g")
    spent = time.perf_counter() - began
    memory = (resident_bytes() - before) / order.rows
    disk = reader.stats().bytes_on_disk / order.rows
    reader.close()
    raw = seconds(plain.read)
    return [
        measured("opening without index files", lost, "s", at_most=GOAL_LOST),
        measured("building index files", build, "s"),
        measured("opening (baseline: faiss.read_index)", spent, "s", baseline=raw, at_most=GOAL_OPEN),
        measured("memory for each vector, facts included", memory, "bytes", baseline=2.0 * DIMENSION),
        measured("disk for each item, index files included", disk, "bytes", baseline=2.0 * DIMENSION),
    ]
