"""From a source to embedded crops: read | decode, crop, preprocess in worker threads | embed, in order.

Three stages with bounded queues between them: one thread reads the source, `workers` threads prepare pixels
and thumbnails, the caller's thread embeds. Memory stays flat however long the source is, order is the
source's, and an item that cannot be used becomes a Rejected entry while the run goes on.
"""

import io
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.decode import Decoded, UnreadableImageError, crop, decode
from indexer.items import EmbeddedItem, GalleryItem, RawImage, Rejected

if TYPE_CHECKING:
    from torch import Tensor

THUMBNAIL_SIZE = (192, 384)
THUMBNAIL_QUALITY = 85
LEAST_DECODED = (384, 192)  # height, width: what thumbnail and encoder need of a crop
MOST_CHUNK_BYTES = 64_000_000
LONGEST_GOODBYE = 1.0
"""Seconds that an interrupted run waits for its source."""
Entry = RawImage | Rejected
Pixels = npt.NDArray[np.uint8]


class ImageEmbedder(Protocol):
    """What the pipeline needs of model.embedder.Embedder."""

    @property
    def preprocess(self) -> Callable[[Pixels], "Tensor"]:
        """uint8 RGB (height, width, 3) of any size -> normalised pixels (3, H, W); runs in worker threads."""
        ...

    def embed_pixels(self, pixels: "Tensor") -> npt.NDArray[np.float32]:
        """(n, 3, H, W) -> unit vectors (n, dimension)."""
        ...


@dataclass(frozen=True)
class EmbeddedBatch:
    """The outcome of up to `batch_size` source entries, in the order of the source.

    items: to be stored; rejected: with reasons; skipped: how many were known already.
    """

    items: list[EmbeddedItem]
    rejected: list[Rejected]
    skipped: int


@dataclass(frozen=True)
class Prepared:
    """One crop ready to be embedded: pixels (3, H, W) and a small JPEG."""

    item: GalleryItem
    pixels: "Tensor"
    thumbnail: bytes


@dataclass(frozen=True)
class _Chunk:
    prepared: "list[Future[Prepared | Rejected] | Rejected]"
    skipped: int


def embed_batches(
    source: Iterable[Entry],
    embedder: ImageEmbedder,
    *,
    skip: Callable[[Sequence[str]], set[str]],
    batch_size: int = 64,
    workers: int = 2,
) -> Iterator[EmbeddedBatch]:
    """Embed everything of a source that `skip` does not know.

    `skip` is given the keys of a batch and returns those to leave out; it is called in the caller's thread,
    before anything is decoded. A SourceError of the source is raised after all that was read before it has
    been yielded.
    """
    if batch_size < 1 or workers < 1:
        raise ValueError("batch_size and workers must be at least 1")
    with _Reader(source, batch_size) as reader, ThreadPoolExecutor(workers, "cskt-decode") as pool:
        ahead: deque[_Chunk] = deque()
        try:
            for entries in reader:
                ahead.append(_submit(entries, embedder, skip, pool))
                if len(ahead) > 1:  # while this thread embeds one batch, the workers prepare the next
                    yield _embed(ahead.popleft(), embedder)
            while ahead:
                yield _embed(ahead.popleft(), embedder)
            reader.raise_error()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def prepare(raw: RawImage, preprocess: Callable[[Pixels], "Tensor"]) -> Prepared | Rejected:
    """Decode, crop, preprocess and thumbnail one image. Never raises for a bad image.

    Encoded bytes are the whole picture and are cropped to the item's box; decoded pixels are the crop
    already.
    """
    item = raw.item
    try:
        if isinstance(raw.data, bytes):
            picture = crop(decode(raw.data, LEAST_DECODED, item.box), item.box)
        else:
            picture = crop(Decoded(Image.fromarray(raw.data), 1.0), None)
        return Prepared(item, preprocess(np.asarray(picture)), thumbnail(picture))
    except UnreadableImageError as error:
        return Rejected(item.key, item.uri, item.source, str(error))
    except Exception as error:  # whatever one image provokes must not end a run of a million
        reason = f"cannot be prepared: {type(error).__name__}: {str(error)[:200]}"
        return Rejected(item.key, item.uri, item.source, reason)


def thumbnail(picture: Image.Image) -> bytes:
    """A JPEG of at most 384 x 192 (height x width) pixels, without metadata."""
    small = Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes())
    small.thumbnail(THUMBNAIL_SIZE, Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=THUMBNAIL_QUALITY)
    return file.getvalue()


def _submit(
    entries: list[Entry],
    embedder: ImageEmbedder,
    skip: Callable[[Sequence[str]], set[str]],
    pool: ThreadPoolExecutor,
) -> _Chunk:
    """Leave out what is known and hand the rest to the workers."""
    keys = [entry.item.key if isinstance(entry, RawImage) else entry.key for entry in entries]
    known = skip(keys)
    prepared: list[Future[Prepared | Rejected] | Rejected] = []
    for key, entry in zip(keys, entries, strict=True):
        if key in known:
            continue
        if isinstance(entry, RawImage):
            prepared.append(pool.submit(prepare, entry, embedder.preprocess))
        else:
            prepared.append(entry)
    return _Chunk(prepared, len(entries) - len(prepared))


def _embed(chunk: _Chunk, embedder: ImageEmbedder) -> EmbeddedBatch:
    """Wait for a chunk's workers and embed what they made, in order."""
    import torch

    done = [entry if isinstance(entry, Rejected) else entry.result() for entry in chunk.prepared]
    ready = [entry for entry in done if isinstance(entry, Prepared)]
    rejected = [entry for entry in done if isinstance(entry, Rejected)]
    items: list[EmbeddedItem] = []
    if ready:
        vectors = embedder.embed_pixels(torch.stack([entry.pixels for entry in ready]))
        for entry, vector in zip(ready, vectors, strict=True):
            if np.isfinite(vector).all():
                items.append(EmbeddedItem(entry.item, vector, entry.thumbnail))
            else:
                item = entry.item
                rejected.append(
                    Rejected(item.key, item.uri, item.source, "the encoder gave no finite vector.")
                )
    return EmbeddedBatch(items, rejected, chunk.skipped)


class _Reader:
    """Reads a source in its own thread, one chunk of `size` entries (fewer when large) ahead."""

    def __init__(self, source: Iterable[Entry], size: int) -> None:
        self._source, self._size = source, size
        self._queue: queue.Queue[list[Entry] | None] = queue.Queue(maxsize=1)
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

    def __iter__(self) -> Iterator[list[Entry]]:
        while (chunk := self._queue.get()) is not None:
            yield chunk

    def raise_error(self) -> None:
        """Raise what ended the source, if anything did."""
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        chunk: list[Entry] = []
        weight = 0
        try:
            for entry in self._source:
                chunk.append(entry)
                weight += _bytes(entry)
                if len(chunk) >= self._size or weight >= MOST_CHUNK_BYTES:
                    self._put(chunk)
                    chunk, weight = [], 0
                if self._stop.is_set():
                    return
        except BaseException as error:  # carried to the caller's thread
            self._error = error
        if chunk:
            self._put(chunk)
        self._put(None)

    def _put(self, chunk: list[Entry] | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(chunk, timeout=0.1)
                return
            except queue.Full:
                continue


def _bytes(entry: Entry) -> int:
    if isinstance(entry, Rejected):
        return 0
    return len(entry.data) if isinstance(entry.data, bytes) else entry.data.nbytes
