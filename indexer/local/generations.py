"""Index files: disposable projections of the database, written so that a damaged one is always noticed.

A file is written under a temporary name by our own checked loop, hashed on the way, synced, renamed, its
folder synced; only then does its row enter the database. (FAISS's own write to a path reports success on a
full disk.) A file is read only after its size and sha256 fit its row.
"""

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import GalleryError, GalleryFull
from indexer.local.database import full_disk, sync_folder
from indexer.vectors import KINDS
from indexer.vectors.vector_index import VectorIndex

FOLDER = "generations"
_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class WrittenFile:
    """An index file as it lies on the disk: name in the folder, sha256 (hex), size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Generation:
    """One row of the database: an index file over all `rows` items whose id is at most `built_to`."""

    id: int
    file: WrittenFile
    rows: int
    built_to: int
    kind: str


class DamagedFileError(Exception):
    """An index file that is missing or does not fit its row; the text says how. Never shown as an error."""


class CheckedFile:
    """A sink for an index: every byte is written or an OSError raised, and hashed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
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


def write_file(gallery: Path, index: VectorIndex) -> WrittenFile:
    """Write the index into the gallery's folder, durable on return; GalleryFull if there is no room."""
    folder = gallery / FOLDER
    name = uuid.uuid4().hex
    temporary, final = folder / f"{_TEMPORARY}{name}", folder / f"{name}.index"
    try:
        folder.mkdir(exist_ok=True)
        file = CheckedFile(temporary)
        try:
            index.write(file)
            digest = file.finish()
        finally:
            file.close()
        temporary.rename(final)
        sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if full_disk(error):
            raise GalleryFull(
                f"no room left on the disk of {folder} for a new index file: free some; "
                "all items are kept and can be searched."
            ) from error
        raise GalleryError(f"cannot write an index file into {folder}: {error.strerror}.") from error
    return WrittenFile(final.name, digest, file.size)


def check_file(gallery: Path, file: WrittenFile) -> None:
    """DamagedFileError unless the file is there with its size and sha256."""
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


def read_file(gallery: Path, generation: Generation, dimension: int) -> VectorIndex:
    """The index of a generation, checked first; DamagedFileError if it cannot be trusted."""
    check_file(gallery, generation.file)
    if generation.kind not in KINDS:
        raise DamagedFileError(f"{generation.file.name} is of the unknown kind {generation.kind!r}")
    path = gallery / FOLDER / generation.file.name
    try:
        with path.open("rb") as stream:
            index = KINDS[generation.kind].read(stream, dimension)
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} cannot be read ({error})") from error
    if len(index) != generation.rows:
        raise DamagedFileError(f"{path} holds {len(index)} rows instead of {generation.rows}")
    return index


def sweep(gallery: Path, kept: set[str]) -> None:
    """Delete the index files not named, and what an interrupted write left; whatever else is there stays."""
    folder = gallery / FOLDER
    for path in [*folder.glob("*.index"), *folder.glob(f"{_TEMPORARY}*")]:
        if path.name not in kept:
            path.unlink(missing_ok=True)
