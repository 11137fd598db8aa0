"""A gallery's folder: whether it holds a gallery, and made ready for one."""

from pathlib import Path

from indexer.errors import GalleryError, GalleryFull, GalleryMissing
from indexer.local.database import damaged, full_disk, sync_folder
from indexer.local.derived import FOLDER

DATABASE = "gallery.db"
_OWN_NAMES = {
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
    "writer.lock",
    FOLDER,
    "jobs.json",
    "jobs.lock",
}


def found_something(folder: Path) -> None:
    """GalleryMissing or GalleryCorrupt unless the folder holds a database file."""
    if not (folder / DATABASE).is_file():
        if has_index_files(folder):
            raise damaged(folder / DATABASE, "it is gone, its index files are there")
        raise missing(folder)


def has_index_files(folder: Path) -> bool:
    """Whether files made from a database lie there."""
    return any((folder / FOLDER).glob("*.rows"))


def missing(folder: Path) -> GalleryMissing:
    """The error for a folder that holds no gallery."""
    return GalleryMissing(
        f"there is no gallery at {folder}: make one with `cskt index SOURCE --gallery {folder}`."
    )


def prepare_folder(folder: Path) -> None:
    """Make the folder, for its owner alone; refuse one that holds other things than a gallery."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = sorted({path.name for path in folder.iterdir()} - _OWN_NAMES)
    except OSError as error:
        raise _not_made(folder, error) from error
    if foreign and not (folder / DATABASE).exists():
        raise GalleryError(
            f"cannot make a gallery at {folder}: it holds other files ({foreign[0]}); "
            "name a new or empty folder."
        )


def make_durable(folder: Path) -> None:
    """The names of the folder and of the files in it. Each time: who made them may have died before."""
    try:
        sync_folder(folder)
        sync_folder(folder.resolve().parent)
    except OSError as error:
        raise _not_made(folder, error) from error


def _not_made(folder: Path, error: OSError) -> GalleryError:
    if full_disk(error):
        return GalleryFull(f"no room left on the disk for a gallery at {folder}: free some.")
    return GalleryError(f"cannot make a gallery at {folder}: {error.strerror}.")
