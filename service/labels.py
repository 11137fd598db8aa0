"""How encoders, sources and reasons are told over HTTP: without the folders of this machine."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from indexer.items import Rejected
from indexer.labels import source_label

_ORIGIN = re.compile(r"\b\w+://(?=[^/\s]+(?:\s|$))")
_QUOTED = re.compile(r"'[^']*/([^'/]*)'|\"[^\"]*/([^\"/]*)\"")
_BEHIND = r"(?:(?:(?!Input/output error).)*/)?"
_FOLDERS = re.compile(rf"(?<!\S)(?!Input/output error)\S*/{_BEHIND}", re.DOTALL)


def encoder_label(encoder: str) -> str:
    """`demo` as it is, a checkpoint folder by its last name, `openclip:MODEL/FILE` by model and last name."""
    model, slash, place = encoder.partition("/")
    if encoder.startswith("openclip:"):
        return f"{model}{slash}{PurePath(place).name}"
    return PurePath(encoder).name


def label_counts(sources: Mapping[str, int]) -> dict[str, int]:
    """Counts by label; sources of one label are added up."""
    counts: dict[str, int] = {}
    for source, count in sources.items():
        counts[source_label(source)] = counts.get(source_label(source), 0) + count
    return counts


def sources_of(labels: Iterable[str], sources: Iterable[str]) -> tuple[str, ...]:
    """The sources that go by one of the labels; none where nobody does, which finds nothing.

    Full names are no labels: answering to them would tell who asks which folders this machine has.
    """
    wanted = tuple(labels)
    return tuple(source for source in sources if source_label(source) in wanted)


def reason_label(bad: Rejected) -> str:
    """Why an item was rejected, without the folders that the sentence may name.

    Folders of the item itself are cut out, and whatever else looks like one: from the first word with a slash
    up to the last slash, as a folder's name may hold spaces. Of an address without a path the host stays.
    """
    reason = _QUOTED.sub(lambda found: f"'{found[1] or found[2] or ''}'", _ORIGIN.sub("", bad.reason))
    for place in (bad.uri, bad.key, bad.source.partition(":")[2]):
        for part in place.split("#"):
            folder, slash, _ = part.rpartition("/")
            if folder:
                own = rf"(?<![\w/]){re.escape(folder + slash)}{_BEHIND}"
                reason = re.sub(own, "", reason, flags=re.DOTALL)
    return _FOLDERS.sub("", reason)
