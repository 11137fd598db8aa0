"""ICFG-PEDES (Ding et al., "Semantically Self-Aligned Network for Text-to-Image Part-aware Person
Re-identification", 2021).

4,102 people, 54,522 images, one caption each, no validation split. The annotation file is found in the wild
in two spellings.
"""

import re
from pathlib import PurePosixPath

from model.datasets.annotations import Counts, Facts
from model.datasets.layout import Entry, Layout

_NAME = re.compile(r"\d+_\d+_(\d+)_.+")


def camera(path: str, entry: Entry) -> Facts:
    """The camera as the file name's third field tells it: `0627_010_05_0303afternoon_1591_0.jpg` is 05."""
    match = _NAME.fullmatch(PurePosixPath(path).name)
    return Facts(match[1] if match else None)


ICFG_PEDES = Layout(
    title="ICFG-PEDES",
    files=(
        "ICFG-PEDES/ICFG-PEDES.json",
        "ICFG-PEDES/ICFG_PEDES.json",
        "ICFG-PEDES.json",
        "ICFG_PEDES.json",
    ),
    path_key="file_path",
    published={"train": Counts(3_102, 34_674, 34_674), "test": Counts(1_000, 19_848, 19_848)},
    facts=camera,
)
