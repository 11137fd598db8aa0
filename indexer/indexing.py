"""One source into one gallery: embed what is new, acknowledge batch by batch, build the index at the end."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType

from indexer.bursts import Bursts
from indexer.decoders import Decoders
from indexer.gallery import Gallery
from indexer.items import Rejected
from indexer.pipeline import EmbeddedBatch, embed_batches
from indexer.sources import GallerySource
from model.embedder import Embedder
from model.progress import Progress

ROWS_PER_GENERATION = 65_536
"""A long run builds an index file this often, so that searches meanwhile stay quick."""

FRESH_SHARE = 10
"""An index file is worth writing when more than one row in so many is newer; the buffers find those few."""

BATCHES_UNSTORED = 16
"""Embedded batches that may wait while the disk is slow or an index file is built."""

REASONS_KEPT = 10


@dataclass
class IndexReport:
    """What a run did so far; `first_rejected` are the first few of the `rejected`.

    `known` are those that the gallery holds already, `removed` those that it will not take in again.
    """

    source: str
    new: int = 0
    known: int = 0
    removed: int = 0
    rejected: int = 0
    seconds: float = 0.0
    first_rejected: list[Rejected] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """New items per second."""
        return self.new / self.seconds if self.seconds else 0.0


def index_source(
    gallery: Gallery,
    source: GallerySource,
    embedder: Embedder,
    report: IndexReport,
    batch_size: int = 64,
    workers: int | None = None,
    decoders: Decoders | None = None,
    bursts: Bursts | None = None,
    told: Callable[[IndexReport], None] | None = None,
) -> None:
    """Add to the gallery (open for writing) what it does not know of the source; `report` counts along.

    Batches become durable in the order of the source, while the next ones are embedded. A run that is
    interrupted, or whose source fails, still stores what it has embedded, unless it is interrupted again
    meanwhile; its repetition adds nothing twice. An error of storing is raised from what else ended the run.
    `workers` and `decoders` are those of `embed_batches`; `bursts`, if given, marks the new items;
    `told` is called with the report after each batch that was stored.
    """
    started = time.monotonic()
    try:
        with Progress("indexing", source.total, "images") as progress:
            storing = _Storing(gallery, report, progress, told)
            with storing:
                for batch in embed_batches(
                    source,
                    embedder,
                    skip=gallery.known,
                    batch_size=batch_size,
                    workers=workers,
                    decoders=decoders,
                ):
                    storing.put(replace(batch, items=bursts.mark(batch.items)) if bursts else batch)
        if storing.since_generation and gallery.fresh() * FRESH_SHARE > len(gallery):
            gallery.build_generation()
    finally:
        report.seconds = time.monotonic() - started


class _Storing:
    """Stores batches in its own thread, so that the encoder waits for no disk, and counts what is durable."""

    def __init__(
        self,
        gallery: Gallery,
        report: IndexReport,
        progress: Progress,
        told: Callable[[IndexReport], None] | None,
    ) -> None:
        self.since_generation, self._told = 0, told
        self._gallery, self._report, self._progress = gallery, report, progress
        self._queue: queue.Queue[EmbeddedBatch | None] = queue.Queue(BATCHES_UNSTORED)
        self._error: BaseException | None = None
        self._abandoned, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._store_all, name="cskt-store", daemon=True)

    def __enter__(self) -> "_Storing":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Store what is left, or at the second Ctrl-C only the batch that is begun; raise what went wrong.

        Returns when the thread is done with the gallery, however often it is interrupted.
        """
        interrupt = error if isinstance(error, KeyboardInterrupt) else None
        joined = False
        while not joined:
            try:
                self._hand_over(None)
                self._ended.wait()  # an interrupted join() would take a running thread for dead (gh-90882)
                self._thread.join()
                joined = True
            except KeyboardInterrupt as another:
                if interrupt is not None:
                    self._abandoned.set()
                interrupt = another
        if self._error is not None and self._error is not error:
            raise self._error from (interrupt or error)
        if interrupt is not None and interrupt is not error:
            raise interrupt

    def put(self, batch: EmbeddedBatch) -> None:
        """Have one more batch stored; raises what went wrong with an earlier one."""
        self._hand_over(batch)
        if self._error is not None:
            raise self._error

    def _hand_over(self, batch: EmbeddedBatch | None) -> None:
        while not self._ended.is_set():
            try:
                self._queue.put(batch, timeout=0.1)
                return
            except queue.Full:
                continue

    def _store_all(self) -> None:
        try:
            while (batch := self._queue.get()) is not None and not self._abandoned.is_set():
                self._store(batch)
        except BaseException as error:  # carried to the thread that embeds
            self._error = error
        finally:
            self._ended.set()

    def _store(self, batch: EmbeddedBatch) -> None:
        report = self._report
        new = self._gallery.add(batch.items, batch.rejected)
        report.new += new
        gone = self._gallery.removed_keys(batch.skipped)
        removed = sum(key in gone for key in batch.skipped)
        report.removed += removed
        report.known += len(batch.skipped) - removed + len(batch.items) - new
        report.rejected += len(batch.rejected)
        report.first_rejected += batch.rejected[: REASONS_KEPT - len(report.first_rejected)]
        note = f"{report.rejected} rejected" if report.rejected else ""
        self._progress.advance(len(batch.items) + len(batch.rejected) + len(batch.skipped), note)
        if self._told is not None:
            self._told(report)
        self.since_generation += new
        if self.since_generation >= ROWS_PER_GENERATION and not self._abandoned.is_set():
            self._gallery.build_generation()
            self.since_generation = 0
