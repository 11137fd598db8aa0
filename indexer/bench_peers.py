"""Other libraries on the same vectors, at the least width that finds as much: `cskt bench gallery --peers`.

usearch and hnswlib, where they are installed (`pip install usearch hnswlib`). They keep neither facts nor
filters nor what was acknowledged; they are asked for the nearest rows alone, ours comes with facts.
"""

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model.bench_report import Result, measured

WIDTHS = (16, 32, 64, 128, 256, 512)
RECALL = 0.99
Vectors = npt.NDArray[np.float32]


class Peer(Protocol):
    """An index of another library."""

    def widen(self, width: int) -> None:
        """Look at so many candidates."""
        ...

    def search(self, query: Vectors, k: int) -> Sequence[int]:
        """The rows found for one query (dimension,)."""
        ...


@dataclass(frozen=True)
class Measured:
    """Milliseconds a query at the width that reached the recall, and that recall."""

    milliseconds: float
    recall: float


class Hnswlib:
    """hnswlib with its usual settings, float32."""

    def __init__(self, dimension: int, rows: int) -> None:
        import hnswlib  # only where it is installed

        self._index: Any = hnswlib.Index("ip", dimension)
        self._index.init_index(rows, ef_construction=200, M=16)

    def add(self, vectors: Vectors) -> None:
        """Append rows."""
        self._index.add_items(vectors)

    def widen(self, width: int) -> None:
        """See Peer."""
        self._index.set_ef(max(width, 10))

    def search(self, query: Vectors, k: int) -> Sequence[int]:
        """See Peer."""
        return [int(row) for row in self._index.knn_query(query, k)[0][0]]


class Usearch:
    """usearch with its usual settings, half precision."""

    def __init__(self, dimension: int, rows: int) -> None:
        from usearch.index import Index

        self._index: Any = Index(ndim=dimension, metric="ip", dtype="f16")
        self._rows = 0

    def add(self, vectors: Vectors) -> None:
        """Append rows."""
        self._index.add(np.arange(self._rows, self._rows + len(vectors)), vectors)
        self._rows += len(vectors)

    def widen(self, width: int) -> None:
        """See Peer."""
        self._index.expansion_search = width

    def search(self, query: Vectors, k: int) -> Sequence[int]:
        """See Peer."""
        return [int(row) for row in self._index.search(query, k).keys]


PEERS: dict[str, Callable[[int, int], Any]] = {"hnswlib": Hnswlib, "usearch": Usearch}


def installed() -> list[str]:
    """The peers that can be run here."""
    return [name for name in PEERS if importlib.util.find_spec(name) is not None]


def measure_peers(
    rows: Vectors, queries: Vectors, truth: Sequence[set[int]], ours: dict[str, float]
) -> list[Result]:
    """Each peer at the recall that is promised; `ours` are the milliseconds of our kinds, with facts."""
    results = []
    for name in installed():
        peer = PEERS[name](rows.shape[1], len(rows))
        began = time.perf_counter()
        peer.add(rows)
        built = time.perf_counter() - began
        found = at_recall(peer, queries, truth)
        results.append(measured(f"{name}: making it", built, "s"))
        results.append(measured(f"{name}: recall@10", found.recall, "", at_least=RECALL))
        results += [
            measured(
                f"{kind}: one query (baseline: {name} at its recall)",
                spent,
                "ms",
                baseline=found.milliseconds,
            )
            for kind, spent in ours.items()
        ]
    return results


def at_recall(peer: Peer, queries: Vectors, truth: Sequence[set[int]]) -> Measured:
    """The narrowest search that finds as much as is promised, or the widest."""
    measured_at = Measured(0.0, 0.0)
    for width in WIDTHS:
        peer.widen(width)
        spent, found = [], 0
        for query, best in zip(queries, truth, strict=True):
            began = time.perf_counter()
            rows = peer.search(query, len(best))
            spent.append(time.perf_counter() - began)
            found += len(best & set(rows))
        recall = found / sum(map(len, truth))
        measured_at = Measured(1000 * float(np.median(spent)), recall)
        if recall >= RECALL:
            break
    return measured_at
