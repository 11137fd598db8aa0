"""Reading one annotation file of the CUHK-PEDES family.

Such a file is a JSON list of {"split": "train" | "val" | "test", "captions": [...], "id": 1, PATH_KEY:
"a/b.jpg"}; the images lie in `imgs/` beside it. What else an entry holds (processed_tokens) is ignored,
unless the layout's `facts` reads it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from model.datasets.annotations import (
    Annotations,
    Counts,
    EntryError,
    Facts,
    Pair,
    Reject,
    Split,
    leaves_folder,
)
from model.errors import DatasetError

Entry = Mapping[str, object]


def no_facts(path: str, entry: Entry) -> Facts:
    """The facts of a picture of which nothing is known."""
    return Facts()


@dataclass(frozen=True)
class Layout:
    """How one data set writes the common form down; the other fields are those of `DataSet`.

    `files` are the accepted names of the annotation file, below the root; `path_key` names an image's path;
    `facts` tells what path and entry say of the picture (raises EntryError).
    """

    title: str
    files: tuple[str, ...]
    path_key: str
    first_identity: int = 0
    renumber: bool = False
    published: Mapping[Split, Counts] = field(default_factory=dict, hash=False)
    facts: Callable[[str, Entry], Facts] = no_facts

    def annotations(self, root: Path) -> Annotations:
        """All entries; those that cannot be used and blank captions are rejected.

        Raises DatasetError where the file is missing or is no JSON list.
        """
        file = _annotation_file(self, root)
        entries = _json_list(file)
        pairs, rejects = list[Pair](), list[Reject]()
        for number, entry in enumerate(entries):
            try:
                found = _pairs(self, file.parent / "imgs", number, entry)
            except EntryError as error:
                rejects.append(Reject(_split_of(entry), f"entry {number}", str(error)))
                continue
            told = [pair for pair in found if pair.caption.strip()]
            if len(told) < len(found):
                blank = [str(place) for place, pair in enumerate(found, 1) if not pair.caption.strip()]
                rejects.append(
                    Reject(_split_of(entry), f"entry {number}", f"caption {' and '.join(blank)} is blank")
                )
            pairs += told
        return Annotations(file, len(entries), pairs, rejects)


def _annotation_file(layout: Layout, root: Path) -> Path:
    for name in layout.files:
        if (root / name).is_file():
            return root / name
    raise DatasetError(
        f"{layout.title} has no annotations in {root}: expected {' or '.join(layout.files)}; "
        "name the folder that holds it."
    )


def _json_list(file: Path) -> Sequence[object]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{file} cannot be read as JSON ({error}); fetch the annotations again."
        ) from error
    if not isinstance(entries, list):
        raise DatasetError(f"{file} is a JSON {type(entries).__name__}, not a list of annotations.")
    return entries


def _pairs(layout: Layout, images: Path, number: int, entry: object) -> list[Pair]:
    """One pair per caption of an entry; raises EntryError."""
    if not isinstance(entry, dict):
        raise EntryError("not an object")
    for key in ("split", "captions", layout.path_key, "id"):
        if key not in entry:
            raise EntryError(f"no {key!r}")
    captions, path, identity = entry["captions"], entry[layout.path_key], entry["id"]
    if not isinstance(captions, list) or not captions or not all(isinstance(text, str) for text in captions):
        raise EntryError("'captions' is not a list of sentences")
    if not isinstance(path, str) or not path or leaves_folder(path):
        raise EntryError(f"{layout.path_key!r} is not a path inside imgs")
    if not isinstance(identity, int) or isinstance(identity, bool):
        raise EntryError("'id' is not an integer")
    if not -(2**63) <= identity < 2**63:
        raise EntryError("'id' has too many digits")
    split = _split_of(entry)
    if split is None:
        raise EntryError("'split' is not a word")
    facts = layout.facts(path, entry)
    return [Pair(split, identity, number, images / path, caption, facts) for caption in captions]


def _split_of(entry: object) -> Split | None:
    """Any word other than train and test counts as validation, as in the published code."""
    split = cast(Entry, entry).get("split") if isinstance(entry, dict) else None
    if not isinstance(split, str):
        return None
    return "train" if split == "train" else "test" if split == "test" else "val"
