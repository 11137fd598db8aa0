"""Records of many requests, written together by one thread: one write and one sync for all that wait."""

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime

from service.audit.book import Book, take
from service.audit.places import Places
from service.audit.record import Record
from service.errors import NotRecorded, ServeError

log = logging.getLogger("cskt.audit")

_Done = asyncio.Future[None] | Future[None]

LONGEST = 64 * 2**20  # bytes of a book; then a new one is begun
NOT_RECORDED = "This cannot be recorded at the moment, so it is not answered; try again later."


class BookLog:
    """The audit log of this process. Implements service.audit.log.AuditLog.

    While a group is being synced the next one gathers, so a record waits for two groups at most, its own and
    the one before, and for nothing when it comes alone.
    """

    def __init__(self, places: Places, longest: int = LONGEST) -> None:
        """Open the log, with its first record. Raises ServeError when that cannot be done."""
        self.places, self._longest = places, longest
        self._failed: dict[str, str] = {}
        self._waiting: list[tuple[Mapping[str, object], _Done]] = []
        self._changed, self._closing = threading.Condition(), False
        try:
            places.make()
            self._key = places.key()
            self._book: Book | None = self._next_book()
        except OSError as error:
            raise ServeError(
                f"The audit log in {places.books} cannot be written ({error.strerror or error}); "
                "see to the folder and the disk, or name another folder with CSKT_STATE."
            ) from error
        self._thread = threading.Thread(target=self._work, name="cskt-audit", daemon=True)
        self._thread.start()

    async def write(self, record: Record) -> None:
        """Return once the record is durable. Raises NotRecorded when it cannot be made so."""
        done = asyncio.get_running_loop().create_future()
        self._put(record, done)
        await done

    def write_now(self, record: Record) -> None:
        """The same for whoever has no event loop."""
        done: Future[None] = Future()
        self._put(record, done)
        done.result()

    async def close(self) -> None:
        """Write what is under way and let go of the files."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same for whoever has no event loop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _put(self, record: Record, done: "_Done") -> None:
        with self._changed:
            if self._closing:
                raise NotRecorded(NOT_RECORDED)
            self._waiting.append((vars(record), done))
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                group, self._waiting = self._waiting, []
            if not group:
                break
            # Who hung up before its record was begun gets no answer, and so needs none.
            group = [(content, done) for content, done in group if not done.cancelled()]
            if group:
                _settle([done for _, done in group], self._commit([content for content, _ in group]))
        if self._book is not None:
            self._book.close()

    def _commit(self, records: Sequence[Mapping[str, object]]) -> bool:
        """Whether they are durable."""
        try:
            if self._book is not None and self._book.size >= self._longest:
                self._book.close()
                self._book = None
            if self._book is None:
                self._book = self._next_book()
            self._book.append([_dated(content) for content in records])
        except Exception as error:
            log.error("the audit log cannot be written: %s", error)
            self._give_up()
            return False
        return True

    def _give_up(self) -> None:
        """Go on with the same book if nothing is in doubt about it, otherwise with another one."""
        if self._book is not None and not self._book.undo():
            self._failed[self._book.name] = "it could not be written"
            self._book.close()
            self._book = None

    def _next_book(self) -> Book:
        """A free book whose first new record names where all books ended just now. Raises OSError."""
        book, unsound = take(self.places, self._key, self._longest, self._failed)
        for name, reason in unsound.items():
            log.error("nothing is added any more to %s of the audit log: %s", name, reason)
        ends = {head.book: [head.seq, head.mac] for head in self.places.heads_now(self._key) if head.seq}
        facts = {"ends": ends, "cut_bytes": book.cut, "unsound": unsound}
        try:
            book.append([_dated(vars(Record("open", "", "the log", facts=facts)))])
        except OSError:
            if not book.undo():
                self._failed[book.name] = "it could not be written"
            book.close()
            raise
        return book


def _dated(content: Mapping[str, object]) -> dict[str, object]:
    """With the time (UTC, milliseconds), which may jump; the order is that of the numbers."""
    at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
    return {"at": at.replace("+00:00", "Z"), **content}


def _settle(waiting: Sequence[_Done], durable: bool) -> None:
    """Tell all of a group, each event loop with one call."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for done in waiting:
        if isinstance(done, Future):
            _tell([done], durable)
        else:
            loops[done.get_loop()].append(done)
    for loop, those in loops.items():
        with suppress(RuntimeError):  # it has been closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, those, durable)


def _tell(waiting: Sequence[_Done], durable: bool) -> None:
    for done in waiting:
        if done.cancelled():
            continue
        if durable:
            done.set_result(None)
        else:
            done.set_exception(NotRecorded(NOT_RECORDED))
