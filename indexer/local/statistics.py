"""What a gallery holds, counted for people."""

from pathlib import Path

from indexer.items import GalleryStats
from indexer.local import catalogue
from indexer.local.segments import gaps
from indexer.local.store import Store


def gallery_stats(store: Store, folder: Path) -> GalleryStats:
    """Counts and facts of the database as it is now."""
    with store.one_moment():
        identity, segments = store.identity, catalogue.segments(store)
        items = store.count("item")
        fresh = sum(store.count_within(*gap) for gap in gaps(segments, store.moment().last_id))
        first, last = store.seen_range()
        coarse = catalogue.coarse_file(store)
        return GalleryStats(
            items=items,
            rejected=store.count("rejected"),
            dimension=identity.dimension,
            encoder=identity.encoder,
            fingerprint=identity.fingerprint,
            generation=max((segment.id for segment in segments), default=None),
            indexed_in_generation=items - fresh,
            fresh=fresh,
            index_kind=identity.kind,
            index=_described(coarse),
            sources=store.count_by("source"),
            cameras=store.count_by("camera"),
            first_seen=first,
            last_seen=last,
            bytes_on_disk=sum(map(_size, folder.rglob("*"))),
        )


def _described(coarse: catalogue.CoarseFile | None) -> str:
    if coarse is None:
        return "every row is scanned: exact"
    tuning = coarse.tuning
    width = f"{tuning.parameter} {tuning.value}, " if tuning.parameter else ""
    return (
        f"{coarse.factory} over {coarse.rows} rows ({width}{tuning.widen} proposals for each hit), "
        f"scored exactly; recall@{tuning.k} {tuning.recall:.4f} over {tuning.probes} probes; "
        "filtered searches are exact"
    )


def _size(path: Path) -> int:
    """Bytes of a file; a folder, or a file that has just gone, has none."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
