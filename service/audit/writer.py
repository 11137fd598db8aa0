"""Records of many requests, written together by one thread: one write and one sync for all that wait."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict
from datetime import UTC, datetime

from service.audit.book import Book, take
from service.audit.places import Places
from service.audit.record import Record
from service.errors import NotRecorded, ServeError

log = logging.getLogger("cskt.audit")

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
        self._waiting: list[tuple[Mapping[str, object], Future[None]]] = []
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
        await asyncio.wrap_future(self._put(record))

    def write_now(self, record: Record) -> None:
        """The same for whoever has no event loop."""
        self._put(record).result()

    async def close(self) -> None:
        """Write what is under way and let go of the files."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same for whoever has no event loop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _put(self, record: Record) -> "Future[None]":
        done: Future[None] = Future()
        with self._changed:
            if self._closing:
                raise NotRecorded(NOT_RECORDED)
            self._waiting.append((asdict(record), done))
            self._changed.notify()
        return done

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                group, self._waiting = self._waiting, []
            if not group:
                break
            # Who hung up before its record was begun gets no answer, and so needs none.
            self._commit([entry for entry in group if entry[1].set_running_or_notify_cancel()])
        if self._book is not None:
            self._book.close()

    def _commit(self, group: "list[tuple[Mapping[str, object], Future[None]]]") -> None:
        if not group:
            return
        try:
            if self._book is not None and self._book.size >= self._longest:
                self._book.close()
                self._book = None
            if self._book is None:
                self._book = self._next_book()
            self._book.append([_dated(content) for content, _ in group])
        except Exception as error:
            log.error("the audit log cannot be written: %s", error)
            self._give_up()
            for _, done in group:
                done.set_exception(NotRecorded(NOT_RECORDED))
            return
        for _, done in group:
            done.set_result(None)

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
            book.append([_dated(asdict(Record("open", "", "the log", facts=facts)))])
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
