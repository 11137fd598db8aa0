"""Every data set by its name."""

from dataclasses import dataclass
from pathlib import Path

from model.datasets.cuhk_pedes import CUHK_PEDES
from model.datasets.folder import FOLDER
from model.datasets.icfg_pedes import ICFG_PEDES
from model.datasets.rstp_reid import RSTP_REID
from model.datasets.samples import SPLITS, Layout, LoadedSplit, Sample, Split, read_split, report_missing
from model.errors import DatasetError

__all__ = [
    "DATASETS",
    "DataPlace",
    "Layout",
    "LoadedSplit",
    "Sample",
    "Split",
    "available_splits",
    "data_place",
    "load_split",
]

DEFAULT_ROOT = Path("data")

DATASETS: dict[str, Layout] = {
    "cuhk_pedes": CUHK_PEDES,
    "icfg_pedes": ICFG_PEDES,
    "rstp_reid": RSTP_REID,
    "folder": FOLDER,
}


@dataclass(frozen=True)
class DataPlace:
    """Which data set and where it lies: the folder that holds it, or the file of `captions`."""

    name: str
    root: Path


def data_place(text: str) -> DataPlace:
    """What `NAME[:PATH]` says; PATH is `data` where it is not given.

    Raises DatasetError for an unknown name or an empty path.
    """
    name, colon, path = text.partition(":")
    _known(name)
    if colon and not path:
        raise DatasetError(f"{text!r} names no path behind the colon; write {name}:PATH or only {name}.")
    return DataPlace(name, Path(path) if path else DEFAULT_ROOT)


def available_splits(name: str, root: Path) -> tuple[Split, ...]:
    """The splits a data set has, by its annotations alone; images are not looked at.

    Raises DatasetError for an unknown name or unusable annotations.
    """
    layout = _known(name)
    return tuple(split for split in SPLITS if read_split(layout, root, split))


def load_split(name: str, root: Path, split: Split, skip_bad: bool = False) -> LoadedSplit:
    """The samples of a data set's split in file order, every image in its place.

    Raises DatasetError for an unknown name or split, unusable annotations, missing images or an empty split.
    """
    layout = _known(name)
    if split not in SPLITS:
        raise DatasetError(f"There is no split called {split!r}; choose one of {', '.join(SPLITS)}.")
    samples = read_split(layout, root, split)
    if not samples:
        raise DatasetError(f"{layout.title} in {root} has no {split} split; choose another with --split.")
    report_missing(samples, layout.title)
    return LoadedSplit(samples, rejected=(), notice="")


def _known(name: str) -> Layout:
    if name not in DATASETS:
        raise DatasetError(f"There is no data set called {name!r}; choose one of {', '.join(DATASETS)}.")
    return DATASETS[name]
