"""What is served, kept up to date: new rows, counts for people, another encoder when the gallery moved."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from indexer.errors import FingerprintMismatch
from indexer.items import GalleryStats
from indexer.judging import Judge, NoJudge, open_judge
from model.errors import CsktError
from service.errors import NotReady
from service.facets import Facet, count_facets
from service.labels import encoder_label
from service.serving import Serving

WARM_UP = (
    "a person",
    "a woman with long hair in a red jacket, blue jeans and white shoes, with a black backpack",
)
STARTING = "What the scores mean is being counted; ask again in a moment."

RETIRED_SECONDS = 60.0
"""How long what was left stays open for the queries that still use it."""

log = logging.getLogger("cskt.upkeep")


class Upkeep:
    """Holds what answers queries now; a thread of its own looks after it each `seconds`.

    When the gallery has moved to another encoder, `reopen` opens both anew and they are taken up in one step.
    """

    def __init__(
        self, serving: Serving, reopen: Callable[[], Serving] | None, seconds: float, rate: float
    ) -> None:
        self._rate = rate
        self._judges: tuple[Serving, Judge | NoJudge] = serving, NoJudge(STARTING)
        self._serving, self._reopen, self._seconds = serving, reopen, seconds
        self._retired: list[tuple[float, Serving]] = []
        self._refusal, self._follow_at = "", -math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cskt-refresh")
        self._refreshing: asyncio.Task[None] | None = None
        self._stats: GalleryStats | None = None
        self._facets: list[Facet] = []
        self._stock_due, self._stock_seconds = True, 0.0
        self._stock_at = -math.inf
        self._looked_at = time.monotonic()

    async def start(self) -> None:
        """Count what is there; afterwards new rows are taken up by themselves."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._take_stock)
        self._refreshing = asyncio.create_task(self._refresh_always(), name="cskt-refresh")

    async def stop(self) -> None:
        """Stop looking after it; the galleries stay open."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    def close(self) -> None:
        """Close everything that is still open."""
        for _, serving in [*self._retired, (0.0, self._serving)]:
            serving.close()

    @property
    def serving(self) -> Serving:
        """The encoder and the gallery that answer now."""
        return self._serving

    def judge_of(self, serving: Serving) -> Judge | NoJudge:
        """Who judges the rankings of this encoder and this gallery."""
        of, judge = self._judges
        return judge if of is serving else NoJudge(STARTING)

    @property
    def stats(self) -> GalleryStats:
        """What the gallery held when it was last looked at. Raises NotReady before that."""
        if self._stats is None:
            raise NotReady("The service is starting; try again in a few seconds.")
        return self._stats

    @property
    def known_stats(self) -> GalleryStats | None:
        """The same; None before that."""
        return self._stats

    @property
    def facets(self) -> list[Facet]:
        """Attributes and their most common values, counted over a sample."""
        return self._facets

    @property
    def behind(self) -> float:
        """Seconds since new rows, or another encoder, could last be taken up."""
        return time.monotonic() - self._looked_at

    async def refresh_now(self) -> None:
        """Take up at once what was just written. Raises CsktError."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh)

    async def _refresh_always(self) -> None:
        trouble = ""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.refresh_now()
                trouble = ""
            except Exception as error:  # the last good state goes on serving
                if str(error) != trouble:
                    log.warning("cannot take up new rows: %s", error)
                trouble = str(error)

    def _refresh(self) -> None:
        """Take up new rows; count again, but spend no more than a tenth of the time on counting."""
        self._close_retired()
        self._revive()
        try:
            self._stock_due = self._serving.gallery.refresh() or self._stock_due
        except FingerprintMismatch:
            if self._reopen is None:
                raise
            self._follow(self._reopen)
        self._looked_at = time.monotonic()
        if self._stock_due and time.monotonic() - self._stock_at >= 10 * self._stock_seconds:
            self._take_stock()

    def _revive(self) -> None:
        try:
            self._serving.encoder.revive()
        except CsktError as error:
            log.error("the encoder cannot be started: %s", error)

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
            judge = open_judge(serving.gallery, serving.calibration, self._rate)
        except BaseException:
            serving.close()
            raise
        self._retired.append((time.monotonic(), self._serving))
        self._judges = serving, judge
        self._serving, self._stock_due, self._stock_at = serving, True, -math.inf
        log.info("the gallery has moved to the encoder %s", encoder_label(serving.encoder.name))

    def _close_retired(self) -> None:
        while self._retired and time.monotonic() - self._retired[0][0] > RETIRED_SECONDS:
            self._retired.pop(0)[1].close()

    def _take_stock(self) -> None:
        started, serving = time.monotonic(), self._serving
        self._judges = serving, open_judge(serving.gallery, serving.calibration, self._rate)
        self._stats, self._facets = serving.gallery.stats(), count_facets(serving.gallery)
        self._stock_at, self._stock_due = time.monotonic(), False
        self._stock_seconds = self._stock_at - started
