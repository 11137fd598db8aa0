"""Approximate indexes: FAISS of any factory string, quantised and quick, that only propose.

What they propose is scored from the exact rows, so scores are always exact; what they do not propose is
missed. How much that is is measured when one is built, and the search made wider until it is little enough.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import faiss as untyped_faiss
import numpy as np

from indexer.vectors.vector_index import Buffer, Ids, Sink, StoredVectors, Vectors

faiss: Any = untyped_faiss

WIDEST = 64
"""At most so many proposals for each row that is wanted."""

_NARROWEST, _MUCH_WIDER = 2, 16
_TRAINING_ROWS = 65_536
_TRAINING_ROWS_PER_LIST = 50


class UnknownKindError(ValueError):
    """A text that is neither a word for a kind of index nor a FAISS factory string."""


@dataclass(frozen=True)
class Tuning:
    """How an approximate index is searched, and the recall that was measured so.

    parameter: FAISS's name of what is turned (nprobe, efSearch; empty where there is nothing); widen:
    proposals for each row wanted; recall: of the `k` best over `probes` queries, against brute force;
    further: (hits, widen) for up to so many more hits, rising, with which it is as good.
    """

    parameter: str
    value: int
    widen: int
    recall: float
    k: int
    probes: int
    further: Sequence[tuple[int, int]] = ()

    @property
    def reach(self) -> int:
        """For up to how many hits the recall holds."""
        return self.further[-1][0] if self.further else self.k

    def proposals(self, hits: int) -> int:
        """How many rows to ask for; ValueError beyond `reach`."""
        for most, widen in ((self.k, self.widen), *self.further):
            if hits <= most:
                return hits * widen
        raise ValueError(f"{hits} hits are more than the {self.reach} that were measured")

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; `Tuning(**data)` restores it."""
        return asdict(self)


class CoarseIndex:
    """A trained FAISS index over rows with ascending ids."""

    def __init__(self, mapped: Any) -> None:  # noqa: ANN401
        """`mapped`: FAISS's IndexIDMap, which owns the index and holds the ids."""
        self._mapped, self._index = mapped, faiss.downcast_index(mapped.index)
        self._ids: Ids = faiss.vector_to_array(mapped.id_map)

    @classmethod
    def build(
        cls, factory: str, dimension: int, training: Vectors, batches: Iterable[tuple[Ids, StoredVectors]]
    ) -> "CoarseIndex":
        """Train on some rows (n, dimension), then take in all of them. UnknownKindError, ValueError."""
        index = new_index(factory, dimension)
        mapped = faiss.IndexIDMap(index)
        try:
            mapped.train(np.ascontiguousarray(training, np.float32))
            for ids, vectors in batches:
                mapped.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return cls(mapped)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._ids)

    @property
    def parameter(self) -> str:
        """What makes its search wider."""
        if faiss.try_extract_index_ivf(self._index) is not None:
            return "nprobe"
        inner = self._index
        while isinstance(inner, faiss.IndexPreTransform):
            inner = faiss.downcast_index(inner.index)
        return "efSearch" if isinstance(inner, faiss.IndexHNSW) else ""

    @property
    def widest(self) -> int:
        """The value of the parameter beyond which nothing is gained."""
        ivf = faiss.try_extract_index_ivf(self._index)
        return int(ivf.nlist) if ivf is not None else len(self._ids)

    def set(self, parameter: str, value: int) -> None:
        """Make the search as wide as this; not beside searches."""
        if parameter:
            faiss.ParameterSpace().set_index_parameter(self._index, parameter, value)

    def propose(self, queries: Vectors, count: int) -> list[Ids]:
        """For each query the ids of up to `count` rows that are likely to be near, in no order."""
        _, places = self._index.search(np.ascontiguousarray(queries, np.float32), min(count, len(self._ids)))
        return [self._ids[row[row >= 0]] for row in places]

    def write(self, sink: Sink) -> None:
        """FAISS's own format, an IndexIDMap. OSErrors of the sink pass through."""
        faiss.write_index(self._mapped, faiss.PyCallbackIOWriter(sink.write))

    @classmethod
    def read(cls, buffer: Buffer, dimension: int) -> "CoarseIndex":
        """Restore what `write` wrote; ValueError if it is not that. Check its sha256 first."""
        try:
            mapped = faiss.deserialize_index(buffer)
        except RuntimeError as error:
            raise ValueError(f"not a FAISS index: {str(error).splitlines()[0]}") from error
        if not isinstance(mapped, faiss.IndexIDMap) or mapped.d != dimension:
            raise ValueError("a FAISS index of another kind or dimension")
        return cls(mapped)


def new_index(factory: str, dimension: int) -> Any:  # noqa: ANN401
    """An empty FAISS index for the cosine of unit vectors; UnknownKindError if the text names none."""
    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise UnknownKindError(factory) from error


def training_rows(factory: str, dimension: int, rows: int) -> int:
    """How many of the rows training should see."""
    ivf = faiss.try_extract_index_ivf(new_index(factory, dimension))
    wanted = _TRAINING_ROWS if ivf is None else max(_TRAINING_ROWS, _TRAINING_ROWS_PER_LIST * ivf.nlist)
    return min(rows, wanted)


def tune(
    index: CoarseIndex, k: int, deep: int, probes: int, goal: float, recall: Callable[[int, int], float]
) -> Tuning:
    """The narrowest search that reaches the goal for k hits, or the widest with what it reaches.

    `recall(widen, hits)` measures the index as it is set, with so many proposals for each hit. FAISS's
    parameter, which is one for all searches, is set for as many as `deep` hits, where that is not much wider:
    no number of proposals makes up for lists that are not looked into.
    """
    parameter, value = index.parameter, 1
    if parameter:
        first = _NARROWEST * k if parameter == "efSearch" else 1
        value = _narrowest(index, first, index.widest, lambda: recall(WIDEST, k) >= goal) or index.widest
        much = min(_MUCH_WIDER * value, index.widest)
        value = _narrowest(index, value, much, lambda: recall(WIDEST // 4, deep) >= goal) or value
        index.set(parameter, value)
    widen = _NARROWEST
    while (reached := recall(widen, k)) < goal and widen < WIDEST:
        widen *= 2
    return Tuning(parameter, value, widen, round(reached, 4), k, probes)


def _narrowest(index: CoarseIndex, value: int, most: int, reached: Callable[[], bool]) -> int | None:
    """The first value of the index's parameter, each twice the one before, with which it is reached."""
    while True:
        value = min(value, most)
        index.set(index.parameter, value)
        if reached():
            return value
        if value == most:
            return None
        value *= 2
