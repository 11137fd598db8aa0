"""The query path, whole: parts -> a batch with its neighbours -> one vector -> the nearest rows."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, TypeVarTuple

import numpy as np
import numpy.typing as npt

from indexer.gallery import Gallery
from indexer.items import EmbeddedItem, GalleryItem, GalleryStats, Hit, Rejected
from indexer.judging import NOT_ONE_TEXT, NoJudge
from model.errors import CsktError
from model.matching.calibration import Calibration
from service.admission import Admission, Pass
from service.batching import MicroBatcher
from service.encoding import COVERED_TOGETHER, Encoded, Encoding
from service.errors import BadQuery, NotReady, QueryFailed, RequestError, UnknownItem
from service.facets import Facet
from service.labels import encoder_label
from service.nearest import Ranking, Wanted, rank_many
from service.observing.metrics import GalleryFacts, Metrics
from service.observing.tracing import open_metrics
from service.query import IMAGE_COST, ItemPart, Part, Question, TextPart, clean_text, combined
from service.scopes import LOCAL, Caller
from service.serving import QueryEncoder, Serving, open_serving
from service.settings import Settings
from service.upkeep import WARM_UP, Upkeep
from service.visible import may_see

SEARCHED_TOGETHER, UPLOADED_TOGETHER, EMBEDDED_TOGETHER = 32, 8, 64
TOO_MUCH_AT_ONCE = f"Texts, and pictures counted {IMAGE_COST:g} times, of one request may be"
GALLERY_FAILED = "The gallery failed on this query; the log of the service says why."

log = logging.getLogger("cskt.searcher")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True)
class Words:
    """A text part as it was read: tokens before cutting, and whether it was cut."""

    text: str
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Found:
    """The ranking of one question; `words` of each text part in order. Times in seconds, with the waits."""

    words: tuple[Words, ...]
    ranking: Ranking
    fingerprint: str
    encode_seconds: float
    search_seconds: float

    @property
    def hits(self) -> list[Hit]:
        """The best hit of each group, in order."""
        return self.ranking.hits


def open_searcher(settings: Settings, metrics: Metrics | None = None) -> "Searcher":
    """Open the gallery and its encoder. Raises CsktError when they are missing, damaged or do not fit."""
    metrics = metrics or open_metrics(settings.otel_endpoint)
    serving = open_serving(settings)
    return Searcher(
        serving.encoder,
        serving.gallery,
        settings,
        partial(open_serving, settings),
        metrics,
        serving.calibration,
    )


class Searcher:
    """Answers questions about one gallery with one encoder; started in the event loop, closed at the end."""

    def __init__(
        self,
        encoder: QueryEncoder,
        gallery: Gallery,
        settings: Settings | None = None,
        reopen: Callable[[], Serving] | None = None,
        metrics: Metrics | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._settings = settings = settings or Settings()
        serving = Serving(encoder, gallery, calibration)
        self.upkeep = Upkeep(serving, reopen, settings.refresh_seconds, settings.false_alarm_rate)
        self.admission = Admission(settings.max_waiting)
        self._encoding = Encoding(self.upkeep, settings, self.metrics)
        self._nearest = MicroBatcher[Wanted, Ranking](
            rank_many,
            max_batch=SEARCHED_TOGETHER,
            max_waiting=settings.max_waiting,
            threads=settings.search_threads,
            stage="search",
            one_by_one=True,
            metrics=self.metrics,
        )
        self._readers = ThreadPoolExecutor(settings.search_threads, thread_name_prefix="cskt-read")
        self._started = self.draining = False

    async def start(self) -> None:
        """Warm encoder and gallery; afterwards `ready` is True and new rows are taken up each second."""
        self._encoding.start()
        self._nearest.start()
        for text in (*WARM_UP, *WARM_UP):  # the first ones load what is loaded once
            began = time.monotonic()
            await self._answer(Question((TextPart(text),), 1), None)
            self.admission.begin(time.monotonic() - began)
        await self.upkeep.start()
        self._started = True

    async def close(self) -> None:
        """Stop taking questions, let running ones end, close the gallery."""
        self._started = False
        await self.upkeep.stop()
        await self._encoding.close()
        await self._nearest.close()
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self.upkeep.close)

    @property
    def ready(self) -> bool:
        """Whether questions are answered and are going to be."""
        return self._started and not self.draining and not self.hangs

    @property
    def hangs(self) -> bool:
        """Whether the encoder or the search has stopped answering."""
        return self._encoding.hangs or self._nearest.hangs

    async def search(self, question: Question, admitted: Pass | None = None) -> Found:
        """The best rows for one question, in time. Raises RequestError."""
        (found,) = await self.search_all([question], admitted)
        if isinstance(found, RequestError):
            raise found
        return found

    async def search_all(
        self, questions: Sequence[Question], admitted: Pass | None = None
    ) -> list[Found | RequestError]:
        """Each question's answer or its own problem. Raises RequestError when none is let in."""
        with self._let_in(sum(question.cost for question in questions), admitted) as deadline:
            answers = await asyncio.gather(
                *(self._answer(question, deadline) for question in questions), return_exceptions=True
            )
        for answer in answers:
            if not isinstance(answer, Found | RequestError):
                raise answer
        return [answer for answer in answers if isinstance(answer, Found | RequestError)]

    async def embed(self, parts: Sequence[Part], admitted: Pass | None = None) -> list[Encoded]:
        """Each part's unit vector, by one encoder; many in turns, each with its time. Raises RequestError."""
        encoded: list[Encoded] = []
        for start in range(0, len(parts), EMBEDDED_TOGETHER):
            some = parts[start : start + EMBEDDED_TOGETHER]
            with self._let_in(Question(tuple(some), 1).cost, admitted) as deadline:
                encoded += await self._encoding.encode(some, deadline, self.vector)
        if any(one.by is not encoded[0].by for one in encoded):
            raise NotReady("The service has just moved to another encoder; try again.")
        return encoded

    async def map_phrases(
        self, id: int, phrases: Sequence[str], admitted: Pass | None = None
    ) -> npt.NDArray[np.float32]:
        """Which places of a row's picture answer which phrases (phrases, rows, columns), 0..1.

        It takes as long as it takes: many pictures are encoded. Raises RequestError.
        """
        picture = await self.image(id)
        with self._let_in(COVERED_TOGETHER * IMAGE_COST, admitted):
            return await self._encoding.map_phrases(picture, phrases)

    @contextmanager
    def _let_in(self, cost: float, admitted: Pass | None) -> Iterator[float]:
        """Work of this cost inside, until its end or its deadline. Raises NotReady, BadQuery, Overloaded."""
        self.check_ready()
        admitted = admitted or Pass(self._settings.deadline_ms / 1000)
        if cost > self._settings.max_waiting:
            raise BadQuery(f"{TOO_MUCH_AT_ONCE} {self._settings.max_waiting}; ask in several requests.")
        cost = max(0.0, cost - admitted.cost)
        self.admission.enter(admitted.seconds, cost, admitted.cost)
        answered = False
        try:
            yield time.monotonic() + admitted.seconds
            answered = True
        finally:
            self.admission.leave(cost, answered=answered)

    async def _answer(self, question: Question, deadline: float | None) -> Found:
        started = time.perf_counter()
        encoded = await self._encoding.encode(question.parts, deadline, self.vector)
        half_way = time.perf_counter()
        vector = combined([one.vector for one in encoded], [part.weight for part in question.parts])
        by = encoded[0].by
        judge = self.upkeep.judge_of(by) if question.is_one_text else NoJudge(NOT_ONE_TEXT)
        wanted = Wanted(vector, question, by.gallery, judge)
        try:
            ranking = await self._nearest.submit(wanted, 1.0, deadline)
        except QueryFailed as error:
            log.error("the gallery failed: %s", error.__cause__)
            raise QueryFailed(GALLERY_FAILED) from None
        ended = time.perf_counter()
        words = tuple(
            _words(part, one) for part, one in zip(question.parts, encoded, strict=True) if one.text
        )
        return Found(words, ranking, by.encoder.fingerprint, half_way - started, ended - half_way)

    async def item(self, id: int, caller: Caller = LOCAL) -> GalleryItem:
        """The facts of one row. Raises UnknownItem, also for one that the caller may not see."""
        item = await self.read(self._gallery.get, id)
        if item is None or not may_see(item, caller):
            raise UnknownItem(f"There is no item {id} in this gallery.")
        return item

    async def image(self, id: int) -> bytes:
        """The stored JPEG of one row. Raises UnknownItem."""
        image = await self.read(self._gallery.thumbnail, id)
        if image is None:
            raise UnknownItem(f"There is no item {id} in this gallery.")
        return image

    async def vector(self, part: ItemPart) -> npt.NDArray[np.float32]:
        """The unit vector of one row. Raises UnknownItem."""
        vector = await self.read(self._gallery.vector, part.id)
        if vector is None:
            raise UnknownItem(f"There is no item {part.id} in this gallery.")
        return vector

    @property
    def stats(self) -> GalleryStats:
        """What the gallery held when it was last looked at. Raises NotReady before that."""
        return self.upkeep.stats

    @property
    def facets(self) -> list[Facet]:
        """Attributes and their most common values, counted over a sample."""
        return self.upkeep.facets

    def say_state(self) -> None:
        """Tell the metrics what is served."""
        stats, facts = self.upkeep.known_stats, None
        if stats is not None:
            label = encoder_label(stats.encoder)
            facts = GalleryFacts(stats.items, stats.fresh, stats.generation or 0, label, stats.fingerprint)
        self.metrics.state(self.ready, facts, self.upkeep.behind)

    def check_ready(self) -> None:
        """Raises NotReady while nothing can be answered. Who is let in while it drains is answered."""
        if not self._started:
            raise NotReady("The service is starting or stopping; try again in a few seconds.")
        if self.hangs:
            raise NotReady("The encoder has stopped answering; try again in a while.")

    @property
    def _gallery(self) -> Gallery:
        return self.upkeep.serving.gallery

    async def prepare(self, uploads: Sequence[tuple[GalleryItem, str]]) -> list[EmbeddedItem | Rejected]:
        """Items with their pictures (base64) ready to be stored, or why not. Raises RequestError.

        A few at a time, so that searches find a free encoder in between.
        """
        self.check_ready()
        ready: list[EmbeddedItem | Rejected] = []
        for start in range(0, len(uploads), UPLOADED_TOGETHER):
            ready += await self._encoding.prepare(uploads[start : start + UPLOADED_TOGETHER])
        return ready

    async def read(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Some reading of the gallery, off the event loop. Raises NotReady, QueryFailed (without paths)."""
        if not self._started:
            self.check_ready()
        with self.metrics.stage("fetch"):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._readers, work, *arguments)
            except CsktError as error:
                log.error("the gallery failed: %s", error)
                raise QueryFailed(GALLERY_FAILED) from error


def _words(part: object, encoded: Encoded) -> Words:
    assert isinstance(part, TextPart)
    text, cut = clean_text(part.text)
    return Words(text, encoded.tokens, cut or encoded.tokens > encoded.by.encoder.context_length)
