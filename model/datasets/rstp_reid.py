"""RSTPReid (Zhu et al., "DSSL: Deep Surroundings-person Separation Learning for Text-based Person Retrieval",
ACM MM 2021).

4,101 people, five images each, two captions an image.
"""

import re
from pathlib import PurePosixPath

from model.datasets.annotations import Counts, Facts
from model.datasets.layout import Entry, Layout

_NAME = re.compile(r"\d+_(c\d+)_.+")


def camera(path: str, entry: Entry) -> Facts:
    """The camera as the file name's second field tells it: `0000_c14_0031.jpg` is c14."""
    match = _NAME.fullmatch(PurePosixPath(path).name)
    return Facts(match[1] if match else None)


RSTP_REID = Layout(
    title="RSTPReid",
    files=("RSTPReid/data_captions.json", "data_captions.json"),
    path_key="img_path",
    published={
        "train": Counts(3_701, 18_505, 37_010),
        "val": Counts(200, 1_000, 2_000),
        "test": Counts(200, 1_000, 2_000),
    },
    facts=camera,
)
