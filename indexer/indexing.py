"""One source into one gallery: embed what is new, acknowledge batch by batch, build the index at the end."""

import time
from dataclasses import dataclass, field

from indexer.gallery import Gallery
from indexer.items import Rejected
from indexer.pipeline import embed_batches
from indexer.sources import GallerySource
from model.embedder import Embedder
from model.progress import Progress

ROWS_PER_GENERATION = 100_000
"""A long run builds an index file this often, so that searches meanwhile stay quick."""

FRESH_SHARE = 10
"""An index file is worth writing when more than one row in so many is newer; the buffers find those few."""

REASONS_KEPT = 10


@dataclass
class IndexReport:
    """What a run did so far; `first_rejected` are the first few of the `rejected`."""

    source: str
    new: int = 0
    known: int = 0
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
) -> None:
    """Add to the gallery (open for writing) what it does not know of the source; `report` counts along.

    Every batch is durable before the next is embedded, so an interrupted run loses nothing acknowledged and
    its repetition adds nothing twice.
    """
    started, since_generation = time.monotonic(), 0
    try:
        with Progress("indexing", source.total, "images") as progress:
            for batch in embed_batches(source, embedder, skip=gallery.known, batch_size=batch_size):
                new = gallery.add(batch.items, batch.rejected)
                report.new += new
                report.known += batch.skipped + len(batch.items) - new
                report.rejected += len(batch.rejected)
                report.first_rejected += batch.rejected[: REASONS_KEPT - len(report.first_rejected)]
                since_generation += new
                note = f"{report.rejected} rejected" if report.rejected else ""
                progress.advance(len(batch.items) + len(batch.rejected) + batch.skipped, note)
                if since_generation >= ROWS_PER_GENERATION:
                    gallery.build_generation()
                    since_generation = 0
        if since_generation:
            stats = gallery.stats()
            if stats.fresh * FRESH_SHARE > stats.items:
                gallery.build_generation()
    finally:
        report.seconds = time.monotonic() - started
