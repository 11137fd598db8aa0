"""How encoders and sources are named to those who ask over HTTP: without the folders of this machine."""

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from indexer.labels import source_label


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
