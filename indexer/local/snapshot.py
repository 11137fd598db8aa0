"""What one search sees: the newest sound index file, and exact buffers over every row that came after it.

A snapshot never changes; taking up new rows makes a new one that shares the large parts with the old.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from indexer.items import Filter
from indexer.local.filters import cache_key
from indexer.local.generations import DamagedFileError, Generation, read_file
from indexer.local.store import Store
from indexer.vectors import DEFAULT_KIND, KINDS
from indexer.vectors.scoring import merge
from indexer.vectors.vector_index import Ids, Scores, VectorIndex, Vectors

log = logging.getLogger(__name__)

TAIL_ROWS = 4096
"""Fresh rows up to this many are read again at each refresh; more become a part that stays."""

_REMEMBERED_FILTERS = 32


@dataclass(frozen=True)
class Snapshot:
    """Parts with disjoint, rising ids; `parts` stay in the next snapshot, `tail` is replaced."""

    generation: Generation | None
    newest: int
    parts: tuple[VectorIndex, ...]
    frozen_to: int
    tail: VectorIndex | None
    dead: Ids
    _allowed: dict[object, Ids] = field(default_factory=dict)

    def __len__(self) -> int:
        """Rows that can be found."""
        return sum(map(len, self._everything())) - len(self.dead)

    def _everything(self) -> tuple[VectorIndex, ...]:
        return self.parts if self.tail is None else (*self.parts, self.tail)

    def search(self, store: Store, queries: Vectors, k: int, where: Filter | None) -> tuple[Scores, Ids]:
        """Scores and ids (queries, k) of the best allowed rows; -inf and -1 where there are fewer."""
        allowed = self._selection(store, where)
        found = [part.search(queries, k, allowed) for part in self._everything()]
        return merge(found, len(queries), k)

    def _selection(self, store: Store, where: Filter | None) -> Ids | None:
        """The allowed ids, remembered for the filters asked last; None if all rows are allowed."""
        if where is None or where == Filter():
            if not len(self.dead):
                return None
            key: object = None
        else:
            key = cache_key(where)
        selection = self._allowed.get(key)
        if selection is None:
            if key is None:
                selection = np.concatenate([np.setdiff1d(part.ids, self.dead) for part in self._everything()])
            else:
                selection = store.allowed(where or Filter())
            if len(self._allowed) >= _REMEMBERED_FILTERS:
                self._allowed.clear()
            self._allowed[key] = selection
        return selection


def load(store: Store, folder: Path) -> Snapshot:
    """The snapshot of everything committed, from the newest sound index file on; warns of damaged ones."""
    recorded = store.generations()
    newest = _newest(recorded)
    for generation in recorded:
        try:
            index = read_file(folder, generation, store.identity.dimension)
        except DamagedFileError as error:
            if generation not in store.generations():  # replaced by a newer one while we read the list
                return load(store, folder)
            log.warning("%s: searching goes on from the database, which has everything.", error)
            continue
        return _advanced(store, generation, newest, (index,), generation.built_to)
    return _advanced(store, None, newest, (), 0)


def advance(store: Store, folder: Path, old: Snapshot) -> Snapshot:
    """The snapshot of everything committed now; a new index file is loaded, else only fresh rows are read."""
    if _newest(store.generations()) != old.newest:
        return load(store, folder)
    return _advanced(store, old.generation, old.newest, old.parts, old.frozen_to)


def build(store: Store, kind: str, after: int, up_to: int) -> VectorIndex:
    """An index of that kind over the stored rows with after < id <= up_to."""
    index = KINDS[kind].create(store.identity.dimension)
    for ids, vectors in store.vectors(after, up_to):
        index.add(ids, vectors)
    return index


def _newest(recorded: list[Generation]) -> int:
    return max((generation.id for generation in recorded), default=0)


def _advanced(
    store: Store, generation: Generation | None, newest: int, parts: tuple[VectorIndex, ...], frozen_to: int
) -> Snapshot:
    """Read the rows behind `frozen_to`: a few into the tail, many into a further part."""
    last = store.last_id()
    tail = None
    if last - frozen_to > TAIL_ROWS:
        parts, frozen_to = (*parts, build(store, DEFAULT_KIND, frozen_to, last)), last
    elif last > frozen_to:
        tail = build(store, "numpy", frozen_to, last)
    held = (*parts, tail) if tail is not None else parts
    dead = store.removed()  # read last: whatever was removed while reading is on the list
    dead = np.concatenate([dead[np.isin(dead, part.ids)] for part in held]) if held else dead[:0]
    return Snapshot(generation, newest, parts, frozen_to, tail, dead)
