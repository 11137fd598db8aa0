"""How encoders and sources are named to those who ask over HTTP: without the folders of this machine."""

from collections.abc import Iterable, Mapping
from pathlib import PurePath


def encoder_label(encoder: str) -> str:
    """`demo` and `openclip:...` as they are, a checkpoint folder by its last name."""
    return encoder if encoder.startswith("openclip:") else PurePath(encoder).name


def source_label(source: str) -> str:
    """`manifest:/data/people/people.csv` -> `manifest:people.csv`."""
    scheme, colon, place = source.partition(":")
    return f"{scheme}{colon}{PurePath(place).name}" if colon else PurePath(source).name


def label_counts(sources: Mapping[str, int]) -> dict[str, int]:
    """Counts by label; sources of one label are added up."""
    counts: dict[str, int] = {}
    for source, count in sources.items():
        counts[source_label(source)] = counts.get(source_label(source), 0) + count
    return counts


def sources_of(labels: Iterable[str], sources: Iterable[str]) -> tuple[str, ...]:
    """The sources that go by one of the labels; a label nobody goes by stays, so that it finds nothing."""
    wanted = tuple(labels)
    found = tuple(source for source in sources if source_label(source) in wanted)
    return found or wanted
