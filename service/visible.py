"""Which rows a caller may see. What it may not see is as if it were not there."""

from indexer.filters import Filter, OneOf, all_of
from indexer.items import GalleryItem, GalleryStats
from service.scopes import Caller


def narrowed(where: Filter | None, caller: Caller) -> Filter | None:
    """The filter, and only the caller's cameras; rows without a camera are for callers without limits."""
    if caller.cameras is None:
        return where
    return all_of(where, OneOf("camera", tuple(sorted(caller.cameras))))


def count_open_to(caller: Caller, stats: GalleryStats) -> int:
    """How many rows a caller may see."""
    if caller.cameras is None:
        return stats.items
    return sum(count for camera, count in stats.cameras.items() if camera in caller.cameras)


def may_see(item: GalleryItem, caller: Caller) -> bool:
    """Whether this row is there for the caller."""
    return caller.cameras is None or item.camera in caller.cameras
