"""The embedded gallery: one folder with a SQLite database, the truth, and FAISS files derived from it."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.items import EmbeddedItem, Filter, GalleryItem, GalleryStats, Hit, Rejected
from indexer.local.database import sentences
from indexer.local.generations import DamagedFileError, Generation, check_file, sweep, write_file
from indexer.local.snapshot import Snapshot, advance, build, load, log
from indexer.local.store import Identity, Store
from indexer.local.verify import problems
from indexer.local.writer import Writer

_SEARCH_ATTEMPTS = 3


class LocalGallery:
    """See indexer.gallery.Gallery. Many threads may read and search at once; one thread writes.

    `create` makes the gallery if there is none; a writer mends damaged index files at once. The index is
    loaded by the first search or refresh, so that counting, indexing and reading facts stay light.
    """

    def __init__(self, folder: Path, create: Identity | None = None, write: bool = False) -> None:
        self.folder = folder
        self._writer = Writer(folder, create) if write else None
        try:
            self._store = Store(folder)
            self._refreshing = threading.Lock()
            self._watch: sqlite3.Connection = self._store.new_connection()
            self._seen_version = -1
            self._snapshot: Snapshot | None = None
            if self._writer:
                self._mend()
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
        return self._store.count("vector")

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are stored already or were removed; rejected ones are tried again."""
        return self._store.known(keys)

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        """Store one batch in one durable transaction; returns how many items were new."""
        return self._writing().add(self.dimension, items, rejected)

    def remove(self, keys: Sequence[str]) -> int:
        """Remove items for good; the next generation is without them. Returns how many there were."""
        return self._writing().remove(keys)

    def search(
        self, vectors: npt.NDArray[np.float32], k: int, where: Filter | None = None
    ) -> list[list[Hit]]:
        """The k nearest allowed rows of each unit vector (queries, dimension): best first, ties by id."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension or k < 1:
            raise ValueError(
                f"vectors of shape {vectors.shape} or k={k} where (queries, {self.dimension}), k >= 1 fit"
            )
        for _ in range(_SEARCH_ATTEMPTS):
            if self._writer or self._snapshot is None:
                self.refresh()
            snapshot = self._snapshot
            assert snapshot is not None
            scores, ids = snapshot.search(self._store, vectors, k, where)
            facts = self._store.items(ids[ids >= 0].tolist())
            if len(facts) == len(np.unique(ids[ids >= 0])):
                break
            self.refresh()  # a row was removed since the snapshot: its place goes to the next best
        return [
            [
                Hit(id, min(1.0, max(-1.0, score)), facts[id])
                for id, score in zip(row.tolist(), best.tolist(), strict=True)
                if id in facts
            ]
            for row, best in zip(ids, scores, strict=True)
        ]

    def get(self, id: int) -> GalleryItem | None:
        """The facts of one row, or None."""
        return self._store.items([id]).get(id)

    def thumbnail(self, id: int) -> bytes | None:
        """The stored JPEG of one row, or None."""
        return self._store.thumbnail(id)

    def rejected(self, limit: int = 100) -> list[Rejected]:
        """The most recent items that could not be used."""
        return self._store.rejected(limit)

    def build_generation(self) -> None:
        """Write a new index file over all rows, unless the newest has them all; the one before it is kept."""
        writer, last, rows = self._writing(), self._store.last_id(), len(self)
        recorded = self._store.generations()
        if not rows:
            self._drop(recorded)  # nothing that was removed stays in a file
            return
        if recorded and (recorded[0].built_to, recorded[0].rows) == (last, rows):
            return
        kind = self._store.identity.kind
        index = build(self._store, kind, 0, last)
        writer.record_generation(write_file(self.folder, index), len(index), last, kind)
        self._drop([old for place, old in enumerate(recorded) if place > 0 or self._holds_removed(old)])

    def refresh(self) -> bool:
        """Take up what was committed since; True if anything changed. Cheap; call it each second."""
        with self._refreshing:
            with sentences(self._store.path):
                version = int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            if self._snapshot is not None and version == self._seen_version:
                return False
            old = self._snapshot
            new = load(self._store, self.folder) if old is None else advance(self._store, self.folder, old)
            self._snapshot, self._seen_version = new, version
            return True

    def stats(self) -> GalleryStats:
        """Counts and facts for people."""
        store, recorded = self._store, self._store.generations()
        first, last = store.seen_range()
        snapshot, items = self._snapshot, len(self)
        used = snapshot.generation if snapshot else next(iter(recorded), None)
        return GalleryStats(
            items=items,
            rejected=store.count("rejected"),
            dimension=self.dimension,
            encoder=self.encoder,
            fingerprint=self.fingerprint,
            generation=used.id if used else None,
            indexed_in_generation=used.rows if used else 0,
            fresh=items - store.count("vector", used.built_to) if used else items,
            sources=store.count_by("source"),
            cameras=store.count_by("camera"),
            first_seen=first,
            last_seen=last,
            bytes_on_disk=sum(map(_size, self.folder.rglob("*"))),
        )

    def verify(self) -> list[str]:
        """Every inconsistency found, one sentence each; empty when the gallery is sound."""
        return problems(self.folder, self._store)

    def close(self) -> None:
        """Release files and locks; safe to call twice."""
        if store := getattr(self, "_store", None):
            store.close()
        if self._writer:
            self._writer.close()
            self._writer = None

    def _writing(self) -> Writer:
        if self._writer is None:
            raise ValueError("the gallery was opened for reading")
        return self._writer

    def _holds_removed(self, generation: Generation) -> bool:
        return self._store.count("vector", generation.built_to) != generation.rows

    def _drop(self, generations: list[Generation]) -> None:
        self._writing().forget_generations([generation.id for generation in generations])
        sweep(self.folder, {generation.file.name for generation in self._store.generations()})

    def _mend(self) -> None:
        """Clear away what an interrupted writer left; replace damaged index files."""
        damaged = []
        for generation in self._store.generations():
            try:
                check_file(self.folder, generation.file)
            except DamagedFileError as error:
                log.warning("%s: it is rebuilt from the database.", error)
                damaged.append(generation)
        self._drop(damaged)
        if damaged:
            self.build_generation()


def _size(path: Path) -> int:
    """Bytes of a file; a folder, or a file that has just gone, has none."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
