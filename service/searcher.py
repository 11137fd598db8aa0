"""The query path, whole: words -> a batch with its neighbours -> a vector -> the nearest rows."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, TypeVarTuple

import numpy as np
import numpy.typing as npt

from indexer.errors import FingerprintMismatch
from indexer.filters import Filter
from indexer.gallery import Gallery
from indexer.items import GalleryItem, GalleryStats, Hit
from model.errors import CsktError
from service.batching import MicroBatcher
from service.errors import BadQuery, NotReady, Overloaded, QueryFailed, UnknownItem
from service.facets import Facet, count_facets
from service.labels import encoder_label
from service.observing.metrics import GalleryFacts, Metrics
from service.observing.tracing import open_metrics
from service.serving import Serving, TextEncoder, open_serving, use_cores
from service.settings import Settings

MAX_CHARACTERS = 1000  # 75 tokens are some 400 letters; the rest would only cost tokenizer time
WARM_UP = (
    "a person",
    "a woman with long hair in a red jacket, blue jeans and white shoes, with a black backpack",
)

RETIRED_SECONDS = 60.0
"""How long a gallery that was left stays open for the queries that still use it."""

log = logging.getLogger("cskt.searcher")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True)
class Encoded:
    """One query as a unit vector (dimension,), how many tokens it had before cutting, and by whom."""

    vector: npt.NDArray[np.float32]
    tokens: int
    by: Serving


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


def open_searcher(settings: Settings, metrics: Metrics | None = None) -> "Searcher":
    """Open the gallery and its encoder. Raises CsktError when they are missing, damaged or do not fit."""
    use_cores(settings)
    metrics = metrics or open_metrics(settings.otel_endpoint)
    serving = open_serving(settings)
    return Searcher(serving.encoder, serving.gallery, settings, partial(open_serving, settings), metrics)


class Searcher:
    """Answers queries for one gallery with one encoder; started inside the event loop, closed at the end.

    When the gallery has moved to another encoder, `reopen` opens both anew and they are taken up in one step.
    """

    def __init__(
        self,
        embedder: TextEncoder,
        gallery: Gallery,
        settings: Settings | None = None,
        reopen: Callable[[], Serving] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._settings = settings or Settings()
        self._serving, self._reopen = Serving(embedder, gallery), reopen
        self._retired: list[tuple[float, Gallery]] = []
        self._refusal, self._follow_at = "", -math.inf
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
            await self._read(self._nearest, encoded, 1, None)
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
        for _, gallery in [*self._retired, (0.0, self._gallery)]:
            await asyncio.to_thread(gallery.close)

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
            hits = await self._read(self._nearest, encoded, top_k, where)
            ended = time.perf_counter()
        finally:
            self._inside -= 1
        truncated = cut or encoded.tokens > encoded.by.encoder.context_length
        return Found(words, encoded.tokens, truncated, hits, half_way - started, ended - half_way)

    async def item(self, id: int) -> GalleryItem:
        """The facts of one row. Raises UnknownItem."""
        self._check_ready()
        with self.metrics.stage("fetch"):
            item = await self._read(self._gallery.get, id)
        if item is None:
            raise UnknownItem(f"There is no item {id} in this gallery.")
        return item

    async def image(self, id: int) -> bytes:
        """The stored JPEG of one row. Raises UnknownItem."""
        self._check_ready()
        with self.metrics.stage("fetch"):
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

    def say_state(self) -> None:
        """Tell the metrics what is served."""
        stats, facts = self._stats, None
        if stats is not None:
            label = encoder_label(stats.encoder)
            facts = GalleryFacts(stats.items, stats.fresh, stats.generation or 0, label, stats.fingerprint)
        self.metrics.state(self.ready, facts)

    def _check_ready(self) -> None:
        if not self.ready:
            raise NotReady("The service is starting or stopping; try again in a few seconds.")

    def _encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Runs on the device thread."""
        serving = self._serving
        vectors = serving.encoder.embed_texts(texts)
        return [
            Encoded(vector, serving.encoder.count_tokens(text), serving)
            for vector, text in zip(vectors, texts, strict=True)
        ]

    def _nearest(self, query: Encoded, top_k: int, where: Filter | None) -> list[Hit]:
        return query.by.gallery.search(query.vector[None], top_k, where)[0]

    @property
    def _gallery(self) -> Gallery:
        return self._serving.gallery

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
        self._close_retired()
        try:
            self._stock_due = self._gallery.refresh() or self._stock_due
        except FingerprintMismatch:
            if self._reopen is None:
                raise
            self._follow(self._reopen)
        if self._stock_due and time.monotonic() - self._stock_at >= 10 * self._stock_seconds:
            self._take_stock()

    def _follow(self, reopen: Callable[[], Serving]) -> None:
        """Move on; where that fails, spend no more than a tenth of the time on trying again."""
        started = time.monotonic()
        if started < self._follow_at:
            raise FingerprintMismatch(self._refusal)
        try:
            self._move_on(reopen())
        except Exception as error:
            self._refusal, ended = str(error), time.monotonic()
            self._follow_at = ended + 10 * (ended - started)
            raise

    def _move_on(self, serving: Serving) -> None:
        """Take up another encoder with its gallery; queries that are on their way end with the old ones."""
        try:
            for text in WARM_UP:
                serving.gallery.search(serving.encoder.embed_texts([text]), 1)
        except BaseException:
            serving.gallery.close()
            raise
        self._retired.append((time.monotonic(), self._gallery))
        self._serving, self._stock_due, self._stock_at = serving, True, -math.inf
        log.info("the gallery has moved to the encoder %s", encoder_label(serving.encoder.name))

    def _close_retired(self) -> None:
        while self._retired and time.monotonic() - self._retired[0][0] > RETIRED_SECONDS:
            self._retired.pop(0)[1].close()

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
