"""Results by person passage instead of by crop: the best crop of each first, the rest behind it.

Crops belong together when they share a track, or else a burst (`bursts.py`); any other crop is alone. A
track is a passage before one camera as one source knows it: two sources that both count tracks from 1 do not
mix, as that would hide one person behind another.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.bursts import ATTRIBUTE
from indexer.filters import Filter
from indexer.gallery import Gallery
from indexer.items import GalleryItem, Hit


@dataclass(frozen=True)
class Group:
    """Crops of one passage: `best` ranks it, `others` follow it in their own order."""

    best: Hit
    others: tuple[Hit, ...]

    @property
    def kind(self) -> str:
        """What holds it together: "track", "burst", or "" for a crop that is alone by nature."""
        if self.best.item.track is not None:
            return "track"
        return "burst" if ATTRIBUTE in self.best.item.attributes else ""


def search_groups(
    gallery: Gallery, vector: npt.NDArray[np.float32], k: int, others: int, where: Filter | None = None
) -> list[Group]:
    """The k best groups of one unit vector (dimension,) under a filter, ranked by their best crops.

    Exact: the groups, their best crops and their order are those of a search over all rows. The ranking is
    read as far as k groups take, and at least over k * (1 + `others`) crops; the others of a group are its
    next best crops within that part of the ranking, at most `others` of them.
    """
    if k < 1 or others < 0:
        raise ValueError("k must be at least 1 and others at least 0")
    depth = k * (1 + others)
    while True:
        hits = gallery.search(vector[None], depth, where)[0]
        groups = _grouped(hits)
        if len(groups) >= k or len(hits) < depth:  # what lies deeper is worse than all this
            return [Group(group[0], tuple(group[1 : 1 + others])) for group in groups[:k]]
        depth = min(4 * depth, max(len(gallery), depth) + 1)


def _grouped(hits: list[Hit]) -> list[list[Hit]]:
    """A ranking by groups, each at the place of its first."""
    groups: dict[Hashable, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(group_of(hit.id, hit.item), []).append(hit)
    return list(groups.values())


def group_of(id: int, item: GalleryItem) -> Hashable:
    """What holds the crops of one passage together; for a crop that is alone, itself."""
    if item.track is not None:
        return "track", item.source, item.camera, item.track
    burst = item.attributes.get(ATTRIBUTE)
    return ("row", id) if burst is None else ("burst", type(burst), burst)
