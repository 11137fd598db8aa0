"""CUHK-PEDES (Li et al., "Person Search with Natural Language Description", CVPR 2017).

13,003 people, 40,206 images, two captions each; training identities are written from 1.
"""

from pathlib import PurePosixPath

from model.datasets.annotations import Counts, Facts
from model.datasets.layout import Entry, Layout


def source(path: str, entry: Entry) -> Facts:
    """The older data set a picture was taken from, as an attribute: the first folder of its path."""
    folders = PurePosixPath(path).parts[:-1]
    return Facts(attributes={"source": folders[0]} if folders else {})


CUHK_PEDES = Layout(
    title="CUHK-PEDES",
    files=("CUHK-PEDES/reid_raw.json", "reid_raw.json"),
    path_key="file_path",
    first_identity=1,
    published={
        "train": Counts(11_003, 34_054, 68_126),
        "val": Counts(1_000, 3_078, 6_158),
        "test": Counts(1_000, 3_074, 6_156),
    },
    facts=source,
)
