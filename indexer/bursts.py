"""Near-duplicate crops that follow each other, found while they are indexed: one burst, one attribute.

Cameras and detectors give the same person several times a second. Where no tracker has said which crops
belong together, likeness and nearness can suggest it. Crops of one camera (or, without cameras, of one folder
or shard) that come within `seconds` of each other (or, without times, directly one after the other) and whose
vectors have at least the given cosine with the first of them share an attribute `burst`, a short random id
(it may outlive who is erased, so it tells nothing of a key). It is a guess and is named as such: it is never
stored as a track.

Off unless asked for. A guess that joins two people in the same uniform hides one behind the other in
grouped results, and only those who know their cameras can say how likely that is. With `--shard`, only crops
of one share can be joined.

What is stored already is not seen again: a run that goes on where another was stopped begins new bursts.
"""

import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from indexer.items import EmbeddedItem, GalleryItem
from indexer.times import parse

USUAL_COSINE = 0.95
USUAL_SECONDS = 5.0
ATTRIBUTE = "burst"
MOST_STREAMS = 256
MOST_OPEN = 16
"""People that one camera shows at the same time, within reason; the burst that waited longest is closed."""


@dataclass(eq=False)
class _Burst:
    """A burst that may go on: its id and first vector, and when and where its last crop was seen."""

    id: str
    first: npt.NDArray[np.float32]
    uri: str
    place: int
    moment: datetime | None


@dataclass
class _Stream:
    """One camera, folder or shard: how many crops came, and its open bursts."""

    count: int = 0
    open: deque[_Burst] = field(default_factory=lambda: deque(maxlen=MOST_OPEN))


class Bursts:
    """Marks items in the order of one source, over the borders of batches, in bounded memory."""

    def __init__(self, cosine: float = USUAL_COSINE, seconds: float = USUAL_SECONDS) -> None:
        self._cosine, self._seconds = cosine, seconds
        self._streams: OrderedDict[str, _Stream] = OrderedDict()

    def mark(self, items: list[EmbeddedItem]) -> list[EmbeddedItem]:
        """The same items; each without a track, and without a burst of its own, gets the attribute."""
        return [self._marked(entry) for entry in items]

    def _marked(self, entry: EmbeddedItem) -> EmbeddedItem:
        item = entry.item
        if item.track is not None or ATTRIBUTE in item.attributes:
            return entry
        stream = self._stream(_stream_name(item))
        stream.count += 1
        moment = parse(item.seen_at) if item.seen_at else None
        burst = self._continued(stream, entry, moment)
        if burst is None:
            burst = _Burst(secrets.token_hex(6), entry.vector, item.uri, stream.count, moment)
        else:
            stream.open.remove(burst)
            burst = replace(burst, uri=item.uri, place=stream.count, moment=moment)
        stream.open.append(burst)
        attributes = {**item.attributes, ATTRIBUTE: burst.id}
        return replace(entry, item=replace(item, attributes=attributes))

    def _stream(self, name: str) -> _Stream:
        stream = self._streams.setdefault(name, _Stream())
        self._streams.move_to_end(name)
        if len(self._streams) > MOST_STREAMS:
            self._streams.popitem(last=False)
        return stream

    def _continued(self, stream: _Stream, entry: EmbeddedItem, moment: datetime | None) -> _Burst | None:
        """The open burst this crop is most like, if it is near and like enough to one."""
        near = [burst for burst in stream.open if self._is_near(stream, burst, entry.item, moment)]
        likeness = [float(burst.first @ entry.vector) for burst in near]
        best = max(range(len(near)), key=likeness.__getitem__, default=None)
        return near[best] if best is not None and likeness[best] >= self._cosine else None

    def _is_near(self, stream: _Stream, burst: _Burst, item: GalleryItem, moment: datetime | None) -> bool:
        if burst.uri == item.uri:
            return False  # two boxes in one picture are two people
        if moment is None or burst.moment is None:
            return moment is burst.moment and burst.place == stream.count - 1
        return abs((moment - burst.moment).total_seconds()) <= self._seconds


def _stream_name(item: GalleryItem) -> str:
    if item.camera is not None:
        return f"camera {item.camera}"
    before, mark, _ = item.uri.partition("#")
    return before if mark else before.rpartition("/")[0]
