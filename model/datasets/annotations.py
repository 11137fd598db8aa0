"""What every form of annotations is read into: pairs of an image and a caption, and what cannot be used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from model.errors import DatasetError
from model.terminal import terminal_safe

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

NAMES_SHOWN = 10


class EntryError(Exception):
    """Why one entry of the annotations cannot be used, in a few words."""


@dataclass(frozen=True)
class Facts:
    """What is known of a picture besides who it shows."""

    camera: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Pair:
    """One caption of one image as annotated; `image` is the same for all captions of an image."""

    split: Split
    identity: int
    image: int
    path: Path
    caption: str
    facts: Facts


@dataclass(frozen=True)
class Reject:
    """Something that cannot be used and why; without a `split` it may belong to any."""

    split: Split | None
    what: str
    why: str

    def __str__(self) -> str:
        return terminal_safe(f"{self.what}: {self.why}")


@dataclass(frozen=True)
class Annotations:
    """One file as read: how many entries it has, the pairs in file order, and what should be told."""

    file: Path
    entries: int
    pairs: Sequence[Pair]
    rejects: Sequence[Reject]
    notice: str = ""


@dataclass(frozen=True)
class Counts:
    """The size of a split."""

    identities: int
    images: int
    captions: int


class DataSet(Protocol):
    """What a data set must offer: a name for people, how it counts, and its annotations.

    `first_identity` is subtracted from the training identities, which then are 0 .. n-1; with `renumber` any
    set of training identities is accepted and numbered in ascending order. `published` holds the counts of
    its splits where they are known.
    """

    @property
    def title(self) -> str: ...

    @property
    def first_identity(self) -> int: ...

    @property
    def renumber(self) -> bool: ...

    @property
    def published(self) -> Mapping[Split, Counts]: ...

    def annotations(self, root: Path) -> Annotations:
        """Everything annotated. Raises DatasetError where the file is missing or cannot be read at all."""


def refuse(bad: Sequence[str], of: str, remedy: str) -> None:
    """Raise DatasetError with the number of bad things and the first of them, if there is any.

    `of` says what they are, as in "annotations.json: {} of 200 entries cannot be used".
    """
    if bad:
        raise DatasetError(
            f"{of.format(len(bad))}, first {shortened(bad)}; {remedy}, or leave them out with --skip-bad."
        )


def shortened(names: Sequence[str]) -> str:
    """The first ten names, for a sentence."""
    tail = ", ..." if len(names) > NAMES_SHOWN else ""
    return terminal_safe(", ".join(names[:NAMES_SHOWN])) + tail


def word(value: object, key: str) -> str | None:
    """A JSON value as a word: text stripped, numbers as JSON writes them; None for null and blank text.

    Raises EntryError for lists and objects.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float):
        return json.dumps(value)
    raise EntryError(f"{key!r} is not a word")


def leaves_folder(path: str) -> bool:
    """Whether a path as annotated could lead out of the folder that holds the images."""
    return PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path
