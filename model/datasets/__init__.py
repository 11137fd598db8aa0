"""Every data set by its name."""

from pathlib import Path

from model.datasets.cuhk_pedes import CUHK_PEDES
from model.datasets.folder import FOLDER
from model.datasets.icfg_pedes import ICFG_PEDES
from model.datasets.rstp_reid import RSTP_REID
from model.datasets.samples import SPLITS, Layout, Sample, Split, read_split, report_missing
from model.errors import DatasetError

__all__ = ["DATASETS", "Layout", "Sample", "Split", "load_split"]

DATASETS: dict[str, Layout] = {
    "cuhk_pedes": CUHK_PEDES,
    "icfg_pedes": ICFG_PEDES,
    "rstp_reid": RSTP_REID,
    "folder": FOLDER,
}


def load_split(name: str, root: Path, split: Split) -> list[Sample]:
    """The samples of a data set's split in file order, every image in its place.

    Raises DatasetError for an unknown name or split, unusable annotations, missing images or an empty split.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set called {name!r}; choose one of {', '.join(DATASETS)}.")
    if split not in SPLITS:
        raise DatasetError(f"There is no split called {split!r}; choose one of {', '.join(SPLITS)}.")
    layout = DATASETS[name]
    samples = read_split(layout, root, split)
    if not samples:
        raise DatasetError(f"{layout.title} in {root} has no {split} split; choose another with --split.")
    report_missing(samples, layout.title)
    return samples
