"""Annotated person images: the sample, and reading one annotation file of the CUHK-PEDES family.

Such a file is a JSON list of {"split": "train" | "val" | "test", "captions": [...], "id": 1, PATH_KEY:
"a/b.jpg"}; the images lie in `imgs/` beside it. What else an entry holds (processed_tokens, attributes) is
ignored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import DatasetError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

BROKEN_SHOWN = 10


@dataclass(frozen=True)
class Sample:
    """One caption of one image. `image_id` counts the split's images in file order; `camera` and
    `attributes` are what the set tells of the picture, for figures by camera or attribute.
    """

    identity: int
    image_id: int
    path: Path
    caption: str
    camera: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class LoadedSplit:
    """A split as loaded: its samples, what was left out ("what: why" each), and what should be told.

    `notice` is empty or one sentence, as where the counts differ from the published ones.
    """

    samples: list[Sample]
    rejected: tuple[str, ...]
    notice: str


@dataclass(frozen=True)
class Layout:
    """How one data set writes the common form down.

    `files` are the accepted names of the annotation file, below the root; `path_key` names an image's path;
    `first_identity` is subtracted from the training identities, which then are 0 .. n-1; with `renumber`
    any set of training identities is accepted and numbered in ascending order.
    """

    title: str
    files: tuple[str, ...]
    path_key: str
    first_identity: int = 0
    renumber: bool = False


def read_split(layout: Layout, root: Path, split: Split) -> list[Sample]:
    """All samples of a split in file order; an empty list where the data set has no such split.

    Raises DatasetError where the file is missing, is no JSON list, or holds entries that cannot be used.
    """
    file = _annotation_file(layout, root)
    entries = _checked_entries(layout, file)
    # Any split other than train and test counts as validation, as in the published code.
    chosen = [entry for entry in entries if _split_of(entry) == split]
    identities = _identities(layout, file, chosen, split)
    samples = []
    for image_id, (entry, identity) in enumerate(zip(chosen, identities, strict=True)):
        path = file.parent / "imgs" / str(entry[layout.path_key])
        samples += [
            Sample(identity, image_id, path, caption) for caption in cast(list[str], entry["captions"])
        ]
    return samples


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB bytes (height, width, 3) as stored: like the published evaluations it applies no orientation tag.

    Raises DatasetError naming the file if it is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"The image {path} is missing; restore it or remove it from the annotations."
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"The image {path} cannot be read ({error}); replace or remove it.") from error


def report_missing(samples: Sequence[Sample], title: str) -> None:
    """Raise DatasetError naming the first missing images, if any is missing."""
    paths = dict.fromkeys(sample.path for sample in samples)
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{title}: {len(missing)} of {len(paths)} images are missing, first {_shortened(missing)}; "
            "unpack the images beside the annotation file."
        )


def _annotation_file(layout: Layout, root: Path) -> Path:
    for name in layout.files:
        if (root / name).is_file():
            return root / name
    raise DatasetError(
        f"{layout.title} has no annotations in {root}: expected {' or '.join(layout.files)}; "
        "point --root at the folder that holds it."
    )


def _checked_entries(layout: Layout, file: Path) -> list[dict[str, object]]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{file} cannot be read as JSON ({error}); fetch the annotations again."
        ) from error
    if not isinstance(entries, list):
        raise DatasetError(f"{file} is a JSON {type(entries).__name__}, not a list of annotations.")
    broken = list(_broken(layout, entries))
    if broken:
        raise DatasetError(
            f"{file}: {len(broken)} of {len(entries)} entries cannot be used, first {_shortened(broken)}; "
            "correct or remove them."
        )
    return entries


def _broken(layout: Layout, entries: Sequence[object]) -> Iterator[str]:
    for number, entry in enumerate(entries):
        problem = _problem(layout, entry)
        if problem:
            yield f"entry {number} ({problem})"


def _problem(layout: Layout, entry: object) -> str:
    """Why an entry cannot be used; empty if it can."""
    if not isinstance(entry, dict):
        return "not an object"
    for key in ("split", "captions", layout.path_key, "id"):
        if key not in entry:
            return f"no {key!r}"
    captions, path, identity = entry["captions"], entry[layout.path_key], entry["id"]
    if not isinstance(captions, list) or not captions or not all(isinstance(text, str) for text in captions):
        return "'captions' is not a list of sentences"
    if not isinstance(path, str) or not path or _leaves_folder(path):
        return f"{layout.path_key!r} is not a path inside imgs"
    if not isinstance(identity, int) or isinstance(identity, bool):
        return "'id' is not an integer"
    return "" if isinstance(entry["split"], str) else "'split' is not a word"


def _leaves_folder(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path


def _split_of(entry: dict[str, object]) -> Split:
    split = entry["split"]
    return "train" if split == "train" else "test" if split == "test" else "val"


def _identities(layout: Layout, file: Path, entries: Sequence[dict[str, object]], split: Split) -> list[int]:
    """One identity per entry; those of a training split are 0 .. n-1, the others stay as written."""
    raw = [cast(int, entry["id"]) for entry in entries]
    if split != "train":
        return raw
    if layout.renumber:
        order = {identity: number for number, identity in enumerate(sorted(set(raw)))}
        return [order[identity] for identity in raw]
    shifted = [identity - layout.first_identity for identity in raw]
    found = set(shifted)
    if found != set(range(len(found))):
        absent = sorted(set(range(max(found) + 1)) - found)
        wrong = [str(number + layout.first_identity) for number in absent or sorted(found)[:1]]
        raise DatasetError(
            f"{file}: the training identities must be {layout.first_identity} .. n without gaps, but "
            f"{_shortened(wrong)} {'are absent' if absent else 'is too small'}; "
            "read a set of your own as 'folder', which renumbers them."
        )
    return shifted


def _shortened(names: Sequence[str]) -> str:
    tail = ", ..." if len(names) > BROKEN_SHOWN else ""
    return ", ".join(names[:BROKEN_SHOWN]) + tail
