"""The embedded gallery: one folder with a SQLite database, the truth, and FAISS files derived from it."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import FingerprintMismatch, GalleryBusy
from indexer.filters import Filter
from indexer.items import AttributeValue, EmbeddedItem, GalleryItem, GalleryStats, Hit, Overdue, Rejected
from indexer.local import checked_rows, retention
from indexer.local.answers import answers
from indexer.local.building import build_segments, end_erasure, mend
from indexer.local.catalogue import forget_coarse_with_removed
from indexer.local.checksums import change_gallery
from indexer.local.coarse_building import bring_up_coarse, check_kind
from indexer.local.database import damaged, sentences
from indexer.local.ledger import removed_keys
from indexer.local.scanners import scanners
from indexer.local.snapshot import Loading, Snapshot, take
from indexer.local.statistics import count_fresh, gallery_stats
from indexer.local.store import Identity, Store
from indexer.local.verify import problems
from indexer.local.writer import Writer
from indexer.timeline import Timeline
from indexer.vectors.placement import Placement
from indexer.vectors.vector_index import Ids

_SEARCH_ATTEMPTS = 3


class LocalGallery:
    """See indexer.gallery.Gallery. Many threads may read and search at once; one thread writes.

    `create` makes the gallery if there is none; a writer mends damaged index files at once. The index is
    loaded by the first search or refresh, so that counting, indexing and reading facts stay light. It is
    dealt out to `devices` (names of torch), or scanned on the CPU.
    """

    def __init__(
        self, folder: Path, create: Identity | None = None, write: bool = False, devices: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self._scanners: ThreadPoolExecutor | None = None
        if create is not None:
            check_kind(create.kind, create.dimension)
        self._writer = Writer(folder, create) if write else None
        try:
            self._store = Store(folder)
            self._refreshing = threading.Lock()
            self._watch: sqlite3.Connection = self._store.new_connection()
            self._seen_version = -1
            self._snapshot: Snapshot | None = None
            self._scanners = scanners()
            self._loading = Loading(self._scanners, Placement(devices))
            if self._writer:
                mend(self._writer, self._store, folder)
        except BaseException:
            self.close()
            raise

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the encoder whose vectors are stored."""
        return self._store.identity.fingerprint

    @property
    def encoder(self) -> str:
        """Name under which that encoder was given."""
        return self._store.identity.encoder

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._store.identity.dimension

    def __len__(self) -> int:
        """Number of stored items."""
        return self._store.count("item")

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored already or were removed; rejected ones are tried again."""
        return self._store.known(keys)

    def removed_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys whose items were removed for good."""
        return removed_keys(self._store, keys)

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        """Store one batch in one durable transaction; returns how many items were new."""
        return self._writing().add(self.dimension, items, rejected)

    def update(self, key: str, attributes: Mapping[str, AttributeValue | None]) -> bool:
        """Set attributes of one item, None takes one away; returns whether the item is there."""
        return self._writing().update(key, attributes)

    def remove(self, keys: Sequence[str], *, erase: bool = False) -> int:
        """Remove items for good; returns how many there were.

        `erase`: see `remove_ids`; it concerns also keys that were only rejected.
        """
        if erase:
            self._writing().remove_rejected(keys)
        return self.remove_ids(self.ids_of(keys), erase=erase)

    def remove_ids(self, ids: Sequence[int], *, erase: bool = False) -> int:
        """Remove items for good by their ids; returns how many there were.

        The next `build_generation` is without them. `erase` leaves no trace of them, or of anyone who was
        removed before, but a hash of each key: index files and database are written anew and the log is
        emptied before it returns (GalleryBusy if a reader prevents that, GalleryFull; the next erasure or the
        next writer ends it).
        """
        writer = self._writing()
        removed = writer.remove(ids, erase)
        if not erase:
            with suppress(GalleryBusy):  # the next checkpoint does it
                writer.empty_log(wait=0)
        elif writer.erasing():
            end_erasure(writer, self._store, self.folder)
            self.build_generation()
        return removed

    def search(
        self, vectors: npt.NDArray[np.float32], k: int, where: Filter | None = None
    ) -> list[list[Hit]]:
        """The k nearest allowed rows of each unit vector (queries, dimension): best first, ties by id.

        Ranking and facts are of one moment, at least as late as the last refresh.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension or k < 1:
            raise ValueError(
                f"vectors of shape {vectors.shape} or k={k} where (queries, {self.dimension}), k >= 1 fit"
            )
        answer = partial(answers, queries=vectors, k=k, where=where, pool=self._scanners)
        hits, whole = answer(self._store, self.current())
        with suppress(FingerprintMismatch):  # then: these people, as the encoder of this question knew them
            for _ in range(_SEARCH_ATTEMPTS):
                if whole:
                    return hits
                self.refresh()
                hits, whole = answer(self._store, self.current())
            with self._store.one_moment():
                moment = take(self._store, self.folder, self._snapshot, self._loading)
                hits, whole = answer(self._store, moment)
            if not whole:
                raise damaged(self._store.path, "items that its index files hold are missing")
        return hits

    def ids(self, where: Filter | None = None) -> Ids:
        """The ids of the items that a filter lets through, ascending."""
        return self._store.ids() if where is None else self.current().ids(where)

    def count(self, where: Filter) -> int:
        """How many items a filter lets through."""
        return self.current().count(where)

    def attributes(self, where: Filter | None = None) -> set[str]:
        """The names of the attributes that items have which a filter lets through."""
        return self.current().attributes(where)

    def ids_of(self, keys: Sequence[str]) -> list[int]:
        """The ids of the items with these keys; of those that are not there none."""
        return self._store.ids_of(keys)

    def current(self) -> Snapshot:
        """What this gallery shows: for a writer always everything, for a reader as of the last refresh."""
        if self._writer or self._snapshot is None:
            self.refresh()
        snapshot = self._snapshot
        assert snapshot is not None
        return snapshot

    def get(self, id: int) -> GalleryItem | None:
        """The facts of one row, or None."""
        return checked_rows.items(self._store, [id]).get(id)

    def vector(self, id: int) -> npt.NDArray[np.float32] | None:
        """The stored vector of one row, made a unit vector again after its rounding, or None."""
        return self._store.vector(id)

    def thumbnail(self, id: int) -> bytes | None:
        """The stored JPEG of one row, or None."""
        return checked_rows.thumbnail(self._store, id)

    def rejected(self, limit: int = 100) -> list[Rejected]:
        """The most recent items that could not be used."""
        return self._store.rejected(limit)

    def build_generation(self) -> None:
        """Bring the index files up to date: they cover every row and hold no removed one."""
        writer = self._writing()
        build_segments(writer, self._store, self.folder)
        bring_up_coarse(writer, self._store, self.folder, self.current)

    def use_kind(self, kind: str) -> None:
        """Search by another kind of index from the next build on; GalleryError if there is no such kind."""
        check_kind(kind, self.dimension)
        with self._writing().transaction() as connection:
            change_gallery(connection, "index_kind = ?", [kind])
        self._store.identity = replace(self._store.identity, kind=kind)

    def compact(self) -> None:
        """Build, and give the space of what was removed back to the disk."""
        with self._writing().transaction() as connection:
            forget_coarse_with_removed(connection)
        self.build_generation()
        self._writing().rewrite()
        self._writing().empty_log()

    def refresh(self) -> bool:
        """Take up what was committed since; True if anything changed. Cheap; call it each second."""
        with self._refreshing:
            with sentences(self._store.path):
                version = int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            if self._snapshot is not None and version == self._seen_version:
                return False
            self._snapshot = take(self._store, self.folder, self._snapshot, self._loading)
            self._seen_version = version
            return True

    def passages(self) -> int:
        """How many passages there are by track; a crop without one is one."""
        return self._store.passages()

    def timeline(self, most: int, where: Filter | None = None) -> Timeline:
        """When the items that a filter lets through were seen, in at most so many steps."""
        return self.current().timeline(most, where)

    def fresh(self) -> int:
        """How many items no index file covers yet."""
        return count_fresh(self._store)

    def retention(self) -> dict[str, int]:
        """How many seconds items are kept (0: without limit), by camera; '' stands for all others."""
        return retention.rules(self._store)

    def set_retention(self, camera: str, seconds: int | None) -> None:
        """Make the rule for a camera, or for all others (''); None takes it away."""
        with self._writing().transaction() as connection:
            retention.set_rule(connection, camera, seconds)

    def overdue(self, now: datetime) -> list[Overdue]:
        """The items that are kept longer than the rules allow, by camera; see indexer.local.retention."""
        return retention.overdue(self._store, now)

    def newest(self) -> str | None:
        """When the last item was added."""
        return self._store.newest()

    def stats(self) -> GalleryStats:
        """Counts and facts for people."""
        return gallery_stats(self._store, self.folder)

    def verify(self) -> list[str]:
        """Every inconsistency found, one sentence each; empty when the gallery is sound."""
        return problems(self.folder, self._store)

    def close(self) -> None:
        """Release files and locks; safe to call twice."""
        if self._scanners is not None:
            self._scanners.shutdown()
        if store := getattr(self, "_store", None):
            store.close()
        if self._writer:
            self._writer.close()
            self._writer = None

    def _writing(self) -> Writer:
        if self._writer is None:
            raise ValueError("the gallery was opened for reading")
        return self._writer
