"""One writer at a time: a lock the kernel drops when its holder dies, however it dies."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from indexer.errors import GalleryBusy, GalleryError

_PATIENCE = 1.0
"""Seconds that a writer waits for another one."""


class WriterLock:
    """Holds `<folder>/writer.lock` until `release`; GalleryBusy if another process keeps it.

    A holder that is about to let go, as one that writes a batch now and then, is waited for.
    """

    def __init__(self, folder: Path, patience: float = _PATIENCE) -> None:
        path = folder / "writer.lock"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise GalleryError(f"cannot write to the gallery {folder}: {error.strerror}.") from error
        try:
            self._take(patience)
        except OSError as error:
            holder = self._holder()
            os.close(self._file)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise GalleryBusy(
                f"{who} is writing to the gallery {folder}: wait until it has finished, or stop it."
            ) from error
        with suppress(OSError):  # only for the message above: the lock itself holds on a full disk too
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def _take(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _holder(self) -> str:
        """The number that the holder wrote; nothing where the disk gives none: the lock holds anyway."""
        try:
            return os.read(self._file, 20).decode(errors="replace").strip()
        except OSError:
            return ""

    def release(self) -> None:
        """Let the next writer in; safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
