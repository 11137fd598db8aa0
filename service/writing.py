"""The service's own writes to its gallery: uploads and removals, one after the other.

The writer's lock is taken when there is something to write and let go soon after, so that `cskt index` may
run beside. What was written is found by searches before the request is answered.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from indexer.errors import GalleryBusy, GalleryError, GalleryFull
from indexer.gallery import Gallery
from indexer.items import EmbeddedItem
from service.errors import DiskFull, NotReady, QueryFailed

IDLE_SECONDS = 2.0
"""How long a writer stays open for the next request: opening one checks every index file."""

Result = TypeVar("Result")


class Writing:
    """`open_writer` opens the gallery for writing; None where this app has no gallery of its own."""

    def __init__(self, open_writer: Callable[[], Gallery] | None) -> None:
        self._open_writer = open_writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cskt-write")
        self._writer: Gallery | None = None
        self._leaving: asyncio.TimerHandle | None = None

    async def add(self, items: Sequence[EmbeddedItem], fingerprint: str) -> None:
        """Store items durably, all or none. Raises NotReady, DiskFull, QueryFailed.

        `fingerprint` is that of the encoder which made the vectors.
        """
        await self._write(lambda writer: _add(writer, items, fingerprint))

    async def remove(self, id: int, *, erase: bool) -> int:
        """Remove one item for good; returns how many there were. Raises NotReady, DiskFull, QueryFailed."""
        return await self._write(lambda writer: writer.remove_ids([id], erase=erase))

    async def close(self) -> None:
        """End what is under way and let go of the lock."""
        if self._leaving is not None:
            self._leaving.cancel()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        await asyncio.to_thread(self._thread.shutdown)

    async def _write(self, work: Callable[[Gallery], Result]) -> Result:
        loop = asyncio.get_running_loop()
        if self._leaving is not None:
            self._leaving.cancel()
        try:
            return await loop.run_in_executor(self._thread, self._with_writer, work)
        finally:
            self._leaving = loop.call_later(IDLE_SECONDS, self._thread.submit, self._let_go)

    def _with_writer(self, work: Callable[[Gallery], Result]) -> Result:
        if self._open_writer is None:
            raise NotReady("This service cannot write to its gallery.")
        try:
            if self._writer is None:
                self._writer = self._open_writer()
            return work(self._writer)
        except GalleryBusy as error:
            raise NotReady("Another process is writing to the gallery; try again in a moment.") from error
        except GalleryFull as error:
            raise DiskFull("There is no space left for the gallery; nothing was changed.") from error
        except GalleryError as error:
            self._let_go()
            raise QueryFailed("The gallery could not be written; the log of the service says why.") from error

    def _let_go(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(GalleryError):
                writer.close()


def _add(writer: Gallery, items: Sequence[EmbeddedItem], fingerprint: str) -> None:
    if writer.fingerprint != fingerprint:
        raise NotReady("The gallery has just moved to another encoder; try again in a moment.")
    writer.add(items)
