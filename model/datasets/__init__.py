"""Every data set by its name."""

from dataclasses import dataclass
from pathlib import Path

from model.datasets.annotations import SPLITS, Annotations, DataSet, Reject, Split
from model.datasets.captions import CAPTIONS
from model.datasets.cuhk_pedes import CUHK_PEDES
from model.datasets.folder import FOLDER
from model.datasets.icfg_pedes import ICFG_PEDES
from model.datasets.images import bad_images
from model.datasets.rstp_reid import RSTP_REID
from model.datasets.samples import (
    LoadedSplit,
    Sample,
    counts_notice,
    number_samples,
    refuse_entries,
    rejects_of,
)
from model.errors import DatasetError

__all__ = [
    "DATASETS",
    "DataPlace",
    "DataSet",
    "LoadedSplit",
    "Sample",
    "Split",
    "available_splits",
    "data_place",
    "load_split",
]

DEFAULT_ROOT = Path("data")

DATASETS: dict[str, DataSet] = {
    "cuhk_pedes": CUHK_PEDES,
    "icfg_pedes": ICFG_PEDES,
    "rstp_reid": RSTP_REID,
    "folder": FOLDER,
    "captions": CAPTIONS,
}


@dataclass(frozen=True)
class DataPlace:
    """Which data set and where it lies: the folder that holds it, or the file of `captions`."""

    name: str
    root: Path


def data_place(text: str) -> DataPlace:
    """What `NAME[:PATH]` says; PATH is `data` where it is not given, and may begin with `~`.

    Raises DatasetError for an unknown name, an empty path or an unknown user's home.
    """
    name, colon, path = text.partition(":")
    _known(name)
    if colon and not path:
        raise DatasetError(f"{text!r} names no path behind the colon; write {name}:PATH or only {name}.")
    try:
        return DataPlace(name, Path(path).expanduser() if path else DEFAULT_ROOT)
    except RuntimeError as error:  # ~NAME of nobody here
        raise DatasetError(f"{path!r} begins with a home that is not known; write the whole path.") from error


def available_splits(name: str, root: Path) -> tuple[Split, ...]:
    """The splits a data set has, by its usable annotations; images are not looked at.

    Raises DatasetError for an unknown name or annotations that cannot be read at all.
    """
    return _splits_of(_known(name).annotations(root))


def load_split(
    name: str,
    root: Path,
    split: Split,
    skip_bad: bool = False,
    *,
    check_images: bool = False,
    workers: int = 4,
) -> LoadedSplit:
    """The samples of a data set's split in file order, every image in its place.

    With `check_images` every image is decoded once, by `workers` threads. With `skip_bad` what cannot be used
    is left out and told in `rejected`, and training identities are numbered anew without gaps. Raises
    DatasetError for an unknown name or split, unreadable annotations and an empty split; without `skip_bad`
    also for unusable entries, blank captions, gaps between identities, missing and undecodable images.
    """
    dataset = _known(name)
    if split not in SPLITS:
        raise DatasetError(f"There is no split called {split!r}; choose one of {', '.join(SPLITS)}.")
    read = dataset.annotations(root)
    rejects = rejects_of(read, split)
    if not skip_bad:
        refuse_entries(read, rejects)
    pairs = [pair for pair in read.pairs if pair.split == split]
    bad = bad_images(pairs, dataset.title, workers if check_images else 0, refused=not skip_bad)
    rejects += [Reject(split, str(path), why) for path, why in bad.items()]
    kept = [pair for pair in pairs if pair.path not in bad]
    if not kept:
        raise _nothing_left(dataset, read, split, rejects)
    samples = number_samples(dataset, read.file, kept, split, dataset.renumber or skip_bad)
    notice = read.notice or counts_notice(dataset, split, samples)
    return LoadedSplit(samples, tuple(str(reject) for reject in rejects), notice)


def _nothing_left(dataset: DataSet, read: Annotations, split: Split, rejects: list[Reject]) -> DatasetError:
    """The error for a split that is not there, or of which nothing can be used."""
    if rejects:
        return DatasetError(
            f"{read.file} has nothing in its {split} split that can be used: {len(rejects)} rejected, "
            f"first {rejects[0]}; correct the annotations or unpack the images beside them."
        )
    others = " or ".join(_splits_of(read)) or "another data set"
    return DatasetError(f"{dataset.title} in {read.file} has no {split} split; choose {others}.")


def _splits_of(read: Annotations) -> tuple[Split, ...]:
    found = {pair.split for pair in read.pairs}
    return tuple(split for split in SPLITS if split in found)


def _known(name: str) -> DataSet:
    if name not in DATASETS:
        raise DatasetError(f"There is no data set called {name!r}; choose one of {', '.join(DATASETS)}.")
    return DATASETS[name]
