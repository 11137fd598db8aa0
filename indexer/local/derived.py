"""Derived files: disposable projections of the database, written so that a damaged one is always noticed.

A file is written under a temporary name by our own checked loop, hashed on the way, synced, renamed, its
folder synced; only then does its row enter the database. (FAISS's own write to a path reports success on a
full disk.) What is read is hashed as it is read, so what is used is what was checked.
"""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.errors import GalleryError, GalleryFull
from indexer.local.database import full_disk, sync_folder
from indexer.vectors.vector_index import Buffer, Sink

FOLDER = "segments"
SUFFIXES = (".rows", ".facts", ".coarse")
TEMPORARY = ".tmp-"
_CHUNK = 8_388_608


@dataclass(frozen=True)
class WrittenFile:
    """A derived file as it lies on the disk: name in the folder, sha256 (hex), size in bytes."""

    name: str
    sha256: str
    size: int


class DamagedFileError(Exception):
    """A derived file that is missing or does not fit its row; the text says how. Never shown as an error."""


class CheckedFile:
    """A sink: every byte is written or an OSError raised, and hashed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        """Write all of `data`; returns its length."""
        view = memoryview(data)
        self._hash.update(view)
        while view:
            view = view[os.write(self._file, view) :]
        self.size += len(data)
        return len(data)

    def finish(self) -> str:
        """Force everything to the disk; returns the sha256."""
        os.fsync(self._file)
        return self._hash.hexdigest()

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


def write_file(gallery: Path, suffix: str, write: Callable[[Sink], None]) -> WrittenFile:
    """A new file of the gallery with what `write` writes; durable on return. GalleryFull, GalleryError."""
    folder = gallery / FOLDER
    name = uuid.uuid4().hex
    temporary, final = folder / f"{TEMPORARY}{name}", folder / f"{name}{suffix}"
    try:
        if not folder.exists():
            _make(folder)
        file = CheckedFile(temporary)
        try:
            write(file)
            digest = file.finish()
        finally:
            file.close()
        temporary.rename(final)
        sync_folder(folder)
    except OSError as error:
        with suppress(OSError):  # the next writer deletes it
            temporary.unlink()
        if full_disk(error):
            raise GalleryFull(
                f"no room left on the disk of {folder} for a new index file: free some; "
                "all items are kept and can be searched."
            ) from error
        raise GalleryError(f"cannot write an index file into {folder}: {error.strerror}.") from error
    return WrittenFile(final.name, digest, file.size)


def _make(folder: Path) -> None:
    """The folder, durable; not there if that fails, so that the next try does not take it for durable."""
    folder.mkdir(mode=0o700)
    try:
        sync_folder(folder.parent)
    except OSError:
        folder.rmdir()
        raise


def read_file(gallery: Path, file: WrittenFile) -> Buffer:
    """The bytes of a file; DamagedFileError unless they are there with their size and sha256."""
    path = gallery / FOLDER / file.name
    try:
        with path.open("rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != file.size:
                raise DamagedFileError(f"{path} has {size} bytes instead of {file.size}")
            buffer: Buffer = np.empty(size, np.uint8)
            view, digest, done = memoryview(buffer.data), hashlib.sha256(), 0
            while done < size:
                count = stream.readinto(view[done : done + _CHUNK])
                if not count:
                    raise DamagedFileError(f"{path} ends after {done} bytes")
                digest.update(view[done : done + count])
                done += count
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror})") from error
    if digest.hexdigest() != file.sha256:
        raise DamagedFileError(f"the checksum of {path} does not fit")
    return buffer


def check_file(gallery: Path, file: WrittenFile) -> None:
    """DamagedFileError unless the file is there with its size and sha256; in flat memory."""
    path = gallery / FOLDER / file.name
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != file.size:
                raise DamagedFileError(f"{path} has {size} bytes instead of {file.size}")
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise DamagedFileError(f"the checksum of {path} does not fit")
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror})") from error


def sweep(gallery: Path, kept: Iterable[str]) -> None:
    """Delete the derived files not named, and what an interrupted writer left. GalleryError."""
    folder, known = gallery / FOLDER, set(kept)
    ours = [path for suffix in SUFFIXES for path in folder.glob(f"*{suffix}")]
    for path in [*ours, *folder.glob(f"{TEMPORARY}*")]:
        if path.name not in known:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise GalleryError(f"cannot delete the index file {path}: {error.strerror}.") from error
