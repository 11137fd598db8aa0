"""From a source to embedded crops: read | decode, crop, resize in worker threads | embed, in order.

Three stages with bounded queues between them: one thread reads the source and leaves out what is known,
`workers` threads have pixels and thumbnails made, each by a process of its own, and put them together to
batches, the caller's thread does nothing but embed. Memory stays flat however long the source is, order is
the source's, and an item that cannot be used becomes a Rejected entry while the run goes on.

Where the encoder runs on a device of its own, the workers prepare further batches meanwhile. Where it runs on
their cores, they take turns: side by side they would do no more work, and an encoder's thread that waits for
its core, or for Python's lock, holds up all the others.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from indexer.decoders import Decoders
from indexer.items import EmbeddedItem, GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, Preprocess

if TYPE_CHECKING:
    from torch import Tensor

BATCHES_AHEAD = 2
"""Batches waiting for the encoder; one more is being read or prepared meanwhile."""

MOST_CHUNK_BYTES = 64_000_000
LONGEST_GOODBYE = 1.0
"""Seconds that an interrupted run waits for its source."""

Entry = RawImage | Rejected
Skip = Callable[[Sequence[str]], set[str]]


class ImageEmbedder(Protocol):
    """What the pipeline needs of model.embedder.Embedder."""

    @property
    def preprocess(self) -> Preprocess:
        """Makes the pixels that `embed_pixels` takes."""
        ...

    @property
    def device_type(self) -> str:
        """Where it runs: "cpu", or a device of its own such as "cuda"."""
        ...

    def embed_pixels(self, pixels: "Tensor") -> npt.NDArray[np.float32]:
        """uint8 (n, height, width, 3), contiguous -> unit vectors (n, dimension)."""
        ...


@dataclass(frozen=True)
class EmbeddedBatch:
    """The outcome of up to `batch_size` source entries, in the order of the source.

    items: to be stored; rejected: with reasons; skipped: the keys of those that were left out.
    """

    items: list[EmbeddedItem]
    rejected: list[Rejected]
    skipped: list[str]


@dataclass(frozen=True)
class _PreparedBatch:
    """A batch before the encoder: n items with their thumbnails and uint8 pixels (n, height, width, 3), which
    are None where n is 0.
    """

    ready: list[tuple[GalleryItem, bytes]]
    pixels: npt.NDArray[np.uint8] | None
    rejected: list[Rejected]
    skipped: list[str]


def embed_batches(
    source: Iterable[Entry],
    embedder: ImageEmbedder,
    *,
    skip: Skip,
    batch_size: int = 64,
    workers: int | None = None,
    in_turns: bool | None = None,
    decoders: Decoders | None = None,
) -> Iterator[EmbeddedBatch]:
    """Embed everything of a source that `skip` does not know.

    `skip` is given the keys of a batch and returns those to leave out; it is called in the reading thread,
    before anything is decoded. `workers` decode, one for each core if None, unless
    `decoders` are given. `in_turns`: whether they rest while
    the encoder works; if None, where it runs on the CPU. A SourceError of the source is raised after all that
    was read before it has been yielded.
    """
    if batch_size < 1:
        raise ValueError("batch_size must be at least 1")
    turns = _Turns(embedder.device_type == "cpu" if in_turns is None else in_turns)
    with nullcontext(decoders) if decoders else Decoders(workers) as decoders:
        pool = ThreadPoolExecutor(decoders.workers, "cskt-decode")
        make = partial(_prepare, turns, decoders, embedder.preprocess)
        try:
            with _Reader(source, batch_size, partial(_submit, make, skip, pool)) as reader:
                for batch in reader:
                    prepared = batch.result()
                    with turns.encoder():
                        embedded = _embed(prepared, embedder)
                    yield embedded
                reader.raise_error()
        finally:
            turns.end()
            pool.shutdown(wait=False, cancel_futures=True)
            decoders.abandon()
            pool.shutdown(wait=True)


class _Turns:
    """Lets the workers rest while the encoder works; does nothing unless `taken`."""

    def __init__(self, taken: bool) -> None:
        self._taken, self._workers = taken, threading.Event()
        self._workers.set()

    @contextmanager
    def encoder(self) -> Iterator[None]:
        """The encoder's turn; a worker finishes the one image it has begun."""
        try:
            if self._taken:
                self._workers.clear()
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Let the workers go on, also where an interrupt has kept the encoder's turn from ending."""
        self._workers.set()

    def await_worker(self) -> None:
        """Return when it is the workers' turn."""
        self._workers.wait()


def _prepare(turns: _Turns, decoders: Decoders, preprocess: Preprocess, raw: RawImage) -> Prepared | Rejected:
    turns.await_worker()
    return decoders.prepare(raw, preprocess)


def _submit(
    make: Callable[[RawImage], Prepared | Rejected],
    skip: Skip,
    pool: ThreadPoolExecutor,
    entries: list[Entry],
) -> "Future[_PreparedBatch]":
    """Leave out what is known and hand the rest to the workers."""
    keys = [entry.item.key if isinstance(entry, RawImage) else entry.key for entry in entries]
    known = skip(keys)
    prepared: list[Future[Prepared | Rejected] | Rejected] = []
    for key, entry in zip(keys, entries, strict=True):
        if key in known:
            continue
        if isinstance(entry, RawImage):
            prepared.append(pool.submit(make, entry))
        else:
            prepared.append(entry)
    return pool.submit(_assemble, prepared, [key for key in keys if key in known])


def _assemble(
    prepared: "Sequence[Future[Prepared | Rejected] | Rejected]", skipped: list[str]
) -> _PreparedBatch:
    """Put a batch together, in order. Workers take jobs in turn, so all it waits for has been begun."""
    done = [entry if isinstance(entry, Rejected) else entry.result() for entry in prepared]
    ready = [entry for entry in done if isinstance(entry, Prepared)]
    rejected = [entry for entry in done if isinstance(entry, Rejected)]
    pixels = np.stack([entry.pixels for entry in ready]) if ready else None
    return _PreparedBatch([(entry.item, entry.thumbnail) for entry in ready], pixels, rejected, skipped)


def _embed(batch: _PreparedBatch, embedder: ImageEmbedder) -> EmbeddedBatch:
    """Embed what the workers made of a batch."""
    import torch

    items, rejected = list[EmbeddedItem](), list(batch.rejected)
    if batch.pixels is not None:
        vectors = embedder.embed_pixels(torch.from_numpy(batch.pixels))
        finite = [bool(np.isfinite(vector).all()) for vector in vectors]
        for (item, jpeg), vector, usable in zip(batch.ready, vectors, finite, strict=True):
            if usable:
                items.append(EmbeddedItem(item, vector, jpeg))
            else:
                reason = "the encoder gave no finite vector."
                rejected.append(Rejected(item.key, item.uri, item.source, reason))
    return EmbeddedBatch(items, rejected, batch.skipped)


class _Reader:
    """Reads a source in its own thread and submits chunks of `size` entries (fewer when large).

    At most BATCHES_AHEAD of them wait, and one more is being submitted or read.
    """

    def __init__(
        self, source: Iterable[Entry], size: int, submit: "Callable[[list[Entry]], Future[_PreparedBatch]]"
    ) -> None:
        self._source, self._size, self._submit = source, size, submit
        self._queue: queue.Queue[Future[_PreparedBatch] | None] = queue.Queue(BATCHES_AHEAD)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="cskt-read", daemon=True)

    def __enter__(self) -> "_Reader":
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        """Stop reading, also when the caller gave up in the middle.

        A source that takes long over its next entry (a film without people) is not waited for: its thread
        ends by itself with that entry or with the process.
        """
        self._stop.set()
        self._thread.join(timeout=LONGEST_GOODBYE)

    def __iter__(self) -> "Iterator[Future[_PreparedBatch]]":
        while (batch := self._queue.get()) is not None:
            yield batch

    def raise_error(self) -> None:
        """Raise what ended the source, if anything did."""
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            for chunk in self._chunks():
                self._put(self._submit(chunk))
        except BaseException as error:  # carried to the caller's thread
            self._error = error
        self._put(None)

    def _chunks(self) -> Iterator[list[Entry]]:
        """The source in chunks; what ended it before its time is kept for later than the last."""
        chunk: list[Entry] = []
        weight = 0
        try:
            for entry in self._source:
                chunk.append(entry)
                weight += _bytes(entry)
                if len(chunk) >= self._size or weight >= MOST_CHUNK_BYTES:
                    yield chunk
                    chunk, weight = [], 0
                if self._stop.is_set():
                    return
        except Exception as error:
            self._error = error
        if chunk:
            yield chunk

    def _put(self, batch: "Future[_PreparedBatch] | None") -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=0.1)
                return
            except queue.Full:
                continue


def _bytes(entry: Entry) -> int:
    if isinstance(entry, Rejected):
        return 0
    return len(entry.data) if isinstance(entry.data, bytes) else entry.data.nbytes
