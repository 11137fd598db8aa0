"""Images decoded where they can do no harm: in confined processes, started when there is something to do.

An image that kills its process, hangs in it or takes too much memory becomes a Rejected entry; the next image
gets a new process.
"""

import pickle
import queue

import numpy as np

from indexer.channel import ChannelClosed, Facts, NonsenseReceived
from indexer.confined import ConfinedProcess, Limits
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, Preprocess, prepare
from indexer.texts import storable
from model.cores import usable_cores

MODULE = "indexer.image_process"
MOST_WORKERS = 32
MOST_THUMBNAIL_BYTES = 1 << 20
MOST_REASON = 500
JPEG_BEGINS = b"\xff\xd8"


class Decoders:
    """Prepares images from any number of threads, at most `workers` at once (one for each core if None).

    To be closed after use. Raises ValueError for less than one worker.
    """

    def __init__(self, workers: int | None = None, limits: Limits | None = None) -> None:
        self.workers = usual_workers() if workers is None else workers
        if self.workers < 1:
            raise ValueError("there must be at least 1 worker")
        self._decoders = [_Decoder(limits or Limits()) for _ in range(self.workers)]
        self._free: queue.LifoQueue[_Decoder] = queue.LifoQueue()  # few images need few processes
        for decoder in reversed(self._decoders):
            self._free.put(decoder)

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def start(self, images: int) -> None:
        """Have the processes started that so many images can use, and wait for none of them.

        For while there is something else to do. Raises GalleryError when one cannot be started.
        """
        for decoder in self._decoders[:images]:
            decoder.start()

    def prepare(self, raw: RawImage, preprocess: Preprocess) -> Prepared | Rejected:
        """As `prepared.prepare`; encoded bytes in a process of their own, pixels here and now.

        `preprocess` is pickled, and its module imported there. Raises GalleryError when no process can be
        started.
        """
        if not isinstance(raw.data, bytes):
            return prepare(raw, preprocess)
        decoder = self._free.get()
        try:
            return decoder.prepare(raw.item, raw.data, preprocess)
        finally:
            self._free.put(decoder)

    def abandon(self) -> None:
        """End the processes that are at work: what they are on becomes Rejected."""
        for decoder in self._decoders:
            decoder.abandon()

    def close(self) -> None:
        """End all processes."""
        self.abandon()
        for _ in self._decoders:  # each of them when its thread is done with it
            self._free.get().end()
        for decoder in self._decoders:
            self._free.put(decoder)


class _Decoder:
    """One process after another, for one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._at_work = limits, False
        self._process: ConfinedProcess | None = None
        self._preprocess: Preprocess | None = None

    def start(self) -> None:
        if self._process is None:
            self._process, self._preprocess = ConfinedProcess(MODULE), None

    def prepare(self, item: GalleryItem, data: bytes, preprocess: Preprocess) -> Prepared | Rejected:
        process = self._ready(preprocess)
        box = item.box
        asked = {} if box is None else {"box": [box.left, box.top, box.right, box.bottom]}
        self._at_work = True
        try:
            process.channel.send(asked, data)
            height, width = preprocess.image_size
            facts, body = process.channel.receive(height * width * 3 + MOST_THUMBNAIL_BYTES)
            return _outcome(item, preprocess, facts, body)
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            return Rejected(item.key, item.uri, item.source, process.end(error))
        finally:
            self._at_work = False

    def abandon(self) -> None:
        if self._at_work and (process := self._process) is not None:
            process.kill()

    def end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _ready(self, preprocess: Preprocess) -> ConfinedProcess:
        """A process for `preprocess`: a new one also for one that died, be it while it had nothing to do."""
        if self._process is not None and (
            not self._process.alive or self._preprocess not in (None, preprocess)
        ):
            self.end()
        self.start()
        process = self._process
        assert process is not None
        if self._preprocess is None:
            process.confine(self._limits, pickle.dumps(preprocess))
            self._preprocess = preprocess
        return process


def _outcome(item: GalleryItem, preprocess: Preprocess, facts: Facts, body: bytearray) -> Prepared | Rejected:
    """What a process answered, believed only as far as it can be checked."""
    if isinstance(reason := facts.get("reason"), str):
        return Rejected(item.key, item.uri, item.source, storable(reason[:MOST_REASON]))
    shape = (*preprocess.image_size, 3)
    size = shape[0] * shape[1] * 3
    thumbnail = bytes(memoryview(body)[size:])
    if not thumbnail.startswith(JPEG_BEGINS):
        raise NonsenseReceived
    return Prepared(item, np.frombuffer(body, np.uint8, size).reshape(shape), thumbnail)


def usual_workers() -> int:
    """One for each core that this process may use, within reason."""
    return min(usable_cores(), MOST_WORKERS)
