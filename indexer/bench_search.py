"""Searching in `cskt bench gallery`: each kind of index against FAISS, its recall, facts and filters."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from indexer.bench_vectors import Vectors
from indexer.filters import Compare
from indexer.gallery import open_gallery
from indexer.local.gallery import LocalGallery
from indexer.local.scanners import scanners
from indexer.vectors.plain_faiss import PlainIndex
from model.bench_report import Result, measured

HITS, IN_TURNS = 10, 10
MEDIAN = "median"
SELECTIVITIES = (0.5, 0.1, 0.01, 0.001, 0.0001)
GOAL_OVERHEAD, GOAL_FACTS_MS, GOAL_FILTER, GOAL_RECALL = 1.1, 1.0, 3.0, 0.99


def opened(folder: Path) -> LocalGallery:
    """A reader that has read everything searches need."""
    gallery = LocalGallery(folder)
    gallery.refresh()
    return gallery


def measure_kind(folder: Path, kind: str, plain: PlainIndex, queries: Vectors) -> list[Result]:
    """Latency and rate of one kind of index, its recall and its filters."""
    began = time.perf_counter()
    gallery = open_gallery(folder, write=True)
    gallery.use_kind(kind)
    gallery.build_generation()
    gallery.close()
    build = time.perf_counter() - began
    reader = opened(folder)
    try:
        results = [measured(f"{kind}: making it", build, "s")]
        results += _latency(kind, reader, plain, queries)
        return results + _filters(kind, reader, queries)
    finally:
        reader.close()


def _latency(kind: str, reader: LocalGallery, plain: PlainIndex, queries: Vectors) -> list[Result]:
    """One query at a time, ours and FAISS's; then two threads at once."""
    ours, ranking, facts, raw, scan = _in_turns(reader, plain, queries)
    found = sum(_common(reader, plain, query) for query in queries)
    with ThreadPoolExecutor(2) as pool:
        began = time.perf_counter()
        list(pool.map(lambda query: reader.search(query[None], HITS), queries))
        rate = len(queries) / (time.perf_counter() - began)
    p50, p99 = (float(np.percentile(ours, share)) for share in (50, 99))
    ranked50, facts50, raw50 = (float(np.median(times)) for times in (ranking, facts, raw))
    scan50, scan99 = (float(np.percentile(scan, share)) for share in (50, 99))
    name, alone = f"{kind}: one query, {HITS} hits with facts", f"{kind}: ranking one query"
    goal = GOAL_OVERHEAD * raw50
    return [
        measured(f"{alone} (baseline: faiss's call)", ranked50, "ms", baseline=raw50, at_most=goal),
        measured(f"{kind}: the facts of its {HITS} hits", facts50, "ms", at_most=GOAL_FACTS_MS),
        measured(f"{name}, {MEDIAN} (baseline: faiss's call)", p50, "ms", baseline=raw50, at_most=goal),
        measured(f"{name}, 50th of 100 (baseline: faiss, exact)", p50, "ms", baseline=scan50),
        measured(f"{name}, 99th of 100 (baseline: faiss, exact)", p99, "ms", baseline=scan99),
        measured(f"{kind}: queries a second, two threads", rate, "1/s", baseline=1000 / scan50),
        measured(f"{kind}: recall@{HITS}", found / (HITS * len(queries)), "", at_least=GOAL_RECALL),
    ]


def _in_turns(reader: LocalGallery, plain: PlainIndex, queries: Vectors) -> list[list[float]]:
    """Milliseconds of each query: whole, its ranking, its facts, FAISS's call for the kind, FAISS's scan."""
    call, snapshot = _faiss_call(reader, plain), reader.current()
    found = zip(queries, reader.search(queries, HITS), strict=True)
    ids = {query.tobytes(): [hit.id for hit in hits] for query, hits in found}
    with scanners() as pool:
        ways: list[Callable[[Vectors], object]] = [
            lambda query: reader.search(query[None], HITS),
            lambda query: snapshot.search(query[None], HITS, None, pool),
            lambda query: [reader.get(id) for id in ids[query.tobytes()]],
            call,
            lambda query: plain.search(query, HITS),
        ]
        spent: list[list[float]] = [[] for _ in ways]
        for start in range(0, len(queries), IN_TURNS):  # single turns would find nothing in the caches
            for way, times in zip(ways, spent, strict=True):
                for query in queries[start : start + IN_TURNS]:
                    times.append(1000 * seconds(partial(way, query)))
    return spent


def _common(reader: LocalGallery, plain: PlainIndex, query: Vectors) -> int:
    """How many of the best rows are found."""
    hits = reader.search(query[None], HITS)[0]
    return len({int(hit.item.attributes["number"]) for hit in hits} & set(plain.search(query, HITS)))


def _faiss_call(reader: LocalGallery, plain: PlainIndex) -> Callable[[Vectors], object]:
    """The FAISS search that this kind comes down to, for one query (dimension,), and nothing around it."""
    coarse = reader.current().coarse
    if coarse is None:
        return lambda query: plain.search(query, HITS)
    index, count = coarse.index, HITS * coarse.file.tuning.widen
    return lambda query: index.propose(query[None], count)


def _filters(kind: str, reader: LocalGallery, queries: Vectors) -> list[Result]:
    """Latency by the share of rows that a filter leaves, against this kind's own searches without one.

    Each filter is asked for the first time once. An approximate kind scans what a filter leaves, so that one
    which leaves many rows is slower than its own unfiltered search.
    """
    results = []
    for share in SELECTIVITIES:
        where = Compare("attributes.number", "<", max(1, int(share * len(reader))))
        first = seconds(partial(reader.search, queries[:1], HITS, where))
        ours, free = [], []
        for query in queries:
            ours.append(seconds(partial(reader.search, query[None], HITS, where)))
            free.append(seconds(partial(reader.search, query[None], HITS)))
        p50, base = 1000 * statistics.median(ours), 1000 * statistics.median(free)
        name = f"{kind}: a filter that leaves {100 * share:g} %"
        goal = GOAL_FILTER * base
        results += [
            measured(f"{name} (baseline: unfiltered)", p50, "ms", baseline=base, at_most=goal),
            measured(f"{name}, the first time", 1000 * first, "ms", baseline=base, at_most=goal),
        ]
    return results


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
