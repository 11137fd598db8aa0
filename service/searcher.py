"""The query path, whole: words -> a batch with its neighbours -> a vector -> the nearest rows."""

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

import numpy as np
import numpy.typing as npt

from indexer.filters import Filter
from indexer.gallery import Gallery
from indexer.items import GalleryItem, GalleryStats, Hit
from model.errors import CsktError
from service.batching import MicroBatcher
from service.errors import BadQuery, NotReady, Overloaded, QueryFailed, UnknownItem
from service.facets import Facet, count_facets
from service.settings import Settings

MAX_CHARACTERS = 1000  # 75 tokens are some 400 letters; the rest would only cost tokenizer time
WARM_UP = (
    "a person",
    "a woman with long hair in a red jacket, blue jeans and white shoes, with a black backpack",
)

log = logging.getLogger("cskt.searcher")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class TextEncoder(Protocol):
    """What the query path needs of `model.embedder.Embedder`."""

    @property
    def name(self) -> str:
        """How the encoder was given (`demo`, a folder, `openclip:...`)."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies weights, configuration, tokenizer and preprocessing."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens it reads, with the start and end marks."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors (texts, dimension)."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before cutting, with the start and end marks."""
        ...


@dataclass(frozen=True)
class Encoded:
    """One query as a unit vector (dimension,), and how many tokens it had before cutting."""

    vector: npt.NDArray[np.float32]
    tokens: int


@dataclass(frozen=True)
class Found:
    """The ranking of one query; times in seconds, `encode_seconds` with the wait for the encoder."""

    text: str
    tokens: int
    truncated: bool
    hits: list[Hit]
    encode_seconds: float
    search_seconds: float


def clean_text(text: str) -> tuple[str, bool]:
    """The words with single spaces, and whether they had to be cut. Raises BadQuery when there are none."""
    words = " ".join(text.split())
    if not words:
        raise BadQuery("The text is empty; describe the person in words.")
    if not any(letter.isalnum() for letter in words):
        raise BadQuery("The text has no letters or digits; describe the person in words.")
    return words[:MAX_CHARACTERS], len(words) > MAX_CHARACTERS


def open_searcher(settings: Settings) -> "Searcher":
    """Open the gallery and its encoder. Raises CsktError when they are missing, damaged or do not fit."""
    from indexer.gallery import check_encoder, open_gallery
    from model.embedder import open_embedder

    use_cores(settings)
    gallery = open_gallery(settings.gallery)
    try:
        embedder = open_embedder(settings.encoder or gallery.encoder, settings.device, settings.precision)
        check_encoder(gallery, embedder.name, embedder.fingerprint)
        log.info("the encoder runs in %s", embedder.precision)
        gallery.refresh()  # reads everything searches need, so damage is said before the service listens
    except BaseException:
        gallery.close()
        raise
    return Searcher(embedder, gallery, settings)


def use_cores(settings: Settings) -> None:
    """Let the encoder use the threads set, else every core this process may run on."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(settings.threads or allowed or 1)


class Searcher:
    """Answers queries for one gallery with one encoder; started inside the event loop, closed at the end."""

    def __init__(self, embedder: TextEncoder, gallery: Gallery, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._embedder, self._gallery = embedder, gallery
        self._batcher = MicroBatcher[str, Encoded](
            self._encode, max_batch=self._settings.max_batch, max_waiting=self._settings.max_waiting
        )
        self._readers = ThreadPoolExecutor(self._settings.search_threads, thread_name_prefix="cskt-search")
        self._upkeep = ThreadPoolExecutor(1, thread_name_prefix="cskt-refresh")
        self._refreshing: asyncio.Task[None] | None = None
        self._inside = 0
        self._stats: GalleryStats | None = None
        self._facets: list[Facet] = []
        self._stock_due, self._stock_seconds = True, 0.0
        self._stock_at = -math.inf
        self.ready = False

    async def start(self) -> None:
        """Warm encoder and gallery; afterwards `ready` is True and new rows are taken up each second."""
        self._batcher.start()
        for text in WARM_UP:
            encoded = await self._batcher.submit(text)
            await self._read(self._nearest, encoded.vector, 1, None)
        await self._in_thread(self._upkeep, self._take_stock)
        self._refreshing = asyncio.create_task(self._refresh_always(), name="cskt-refresh")
        self.ready = True

    async def close(self) -> None:
        """Stop taking queries, let running ones end, close the gallery."""
        self.ready = False
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._batcher.close()
        await asyncio.to_thread(self._upkeep.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._gallery.close)

    async def search(self, text: str, top_k: int, where: Filter | None = None) -> Found:
        """The best `top_k` rows for the words. Raises RequestError."""
        words, cut = clean_text(text)
        self._check_ready()
        if self._inside >= self._settings.max_waiting:
            raise Overloaded(f"{self._inside} queries are waiting already; try again in a moment.")
        self._inside += 1
        try:
            started = time.perf_counter()
            encoded = await self._batcher.submit(words)
            half_way = time.perf_counter()
            hits = await self._read(self._nearest, encoded.vector, top_k, where)
            ended = time.perf_counter()
        finally:
            self._inside -= 1
        truncated = cut or encoded.tokens > self._embedder.context_length
        return Found(words, encoded.tokens, truncated, hits, half_way - started, ended - half_way)

    async def item(self, id: int) -> GalleryItem:
        """The facts of one row. Raises UnknownItem."""
        self._check_ready()
        item = await self._read(self._gallery.get, id)
        if item is None:
            raise UnknownItem(f"There is no item {id} in this gallery.")
        return item

    async def image(self, id: int) -> bytes:
        """The stored JPEG of one row. Raises UnknownItem."""
        self._check_ready()
        image = await self._read(self._gallery.thumbnail, id)
        if image is None:
            raise UnknownItem(f"There is no image {id} in this gallery.")
        return image

    @property
    def stats(self) -> GalleryStats:
        """What the gallery held when it was last looked at. Raises NotReady before that."""
        if self._stats is None:
            raise NotReady("The service is starting; try again in a few seconds.")
        return self._stats

    @property
    def facets(self) -> list[Facet]:
        """Attributes and their most common values, counted over a sample."""
        return self._facets

    def _check_ready(self) -> None:
        if not self.ready:
            raise NotReady("The service is starting or stopping; try again in a few seconds.")

    def _encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Runs on the device thread."""
        vectors = self._embedder.embed_texts(texts)
        return [
            Encoded(vector, self._embedder.count_tokens(text))
            for vector, text in zip(vectors, texts, strict=True)
        ]

    def _nearest(self, vector: npt.NDArray[np.float32], top_k: int, where: Filter | None) -> list[Hit]:
        return self._gallery.search(vector[None], top_k, where)[0]

    async def _refresh_always(self) -> None:
        trouble = ""
        while True:
            await asyncio.sleep(self._settings.refresh_seconds)
            try:
                await self._in_thread(self._upkeep, self._refresh)
                trouble = ""
            except Exception as error:  # the last good state goes on serving
                if str(error) != trouble:
                    log.warning("cannot take up new rows: %s", error)
                trouble = str(error)

    def _refresh(self) -> None:
        """Take up new rows; count again, but spend no more than a tenth of the time on counting."""
        self._stock_due = self._gallery.refresh() or self._stock_due
        if self._stock_due and time.monotonic() - self._stock_at >= 10 * self._stock_seconds:
            self._take_stock()

    def _take_stock(self) -> None:
        started = time.monotonic()
        self._stats, self._facets = self._gallery.stats(), count_facets(self._gallery)
        self._stock_at, self._stock_due = time.monotonic(), False
        self._stock_seconds = self._stock_at - started

    async def _read(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """One reading of the gallery in the search threads; its failures become one answer without paths."""
        try:
            return await self._in_thread(self._readers, work, *arguments)
        except CsktError as error:
            log.error("the gallery failed: %s", error)
            raise QueryFailed("The gallery failed on this query; the log of the service says why.") from error

    async def _in_thread(
        self, pool: ThreadPoolExecutor, work: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
