"""What a gallery holds, counted for people."""

from collections.abc import Iterable
from pathlib import Path

from indexer.items import GalleryStats
from indexer.local import catalogue
from indexer.local.segments import gaps
from indexer.local.store import Store


def gallery_stats(store: Store, folder: Path) -> GalleryStats:
    """Counts and facts of the database as it is now."""
    with store.one_moment():
        identity, segments = store.identity, catalogue.segments(store)
        items, fresh = store.count("item"), count_fresh(store)
        census = store.census()
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
            sources=_sums((source, count) for source, _, count, *_ in census),
            cameras=_sums((camera, count) for _, camera, count, *_ in census if camera is not None),
            first_seen=min((first for *_, first, _ in census if first), default=None),
            last_seen=max((last for *_, last in census if last), default=None),
            bytes_on_disk=sum(map(_size, folder.rglob("*"))),
        )


def count_fresh(store: Store) -> int:
    """Items that no segment covers yet."""
    return sum(store.count_within(*gap) for gap in gaps(catalogue.segments(store), store.moment().last_id))


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in counts:
        sums[name] = sums.get(name, 0) + count
    return dict(sorted(sums.items()))


def _described(coarse: catalogue.CoarseFile | None) -> str:
    if coarse is None:
        return "every row is scanned: exact"
    tuning = coarse.tuning
    width = f"{tuning.parameter} {tuning.value}, " if tuning.parameter else ""
    return (
        f"{coarse.factory} over {coarse.rows} rows ({width}{tuning.widen} proposals for each hit), "
        f"scored exactly; recall@{tuning.k} {tuning.recall:.4f} over {tuning.probes} probes; "
        f"filtered searches, and those for more than {tuning.reach} hits, are exact"
    )


def _size(path: Path) -> int:
    """Bytes of a file; a folder, or a file that has just gone, has none."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
