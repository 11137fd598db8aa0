"""By which attributes a gallery can be filtered: names and most common values in a sample of its rows."""

from collections import Counter
from dataclasses import dataclass

from indexer.gallery import Gallery
from indexer.items import AttributeValue

SAMPLE = 2000
VALUES_PER_ATTRIBUTE = 12
MAX_DISTINCT = 50  # an attribute with more values than this is a text or a number, not a choice


@dataclass(frozen=True)
class Facet:
    """An attribute and its most common values with their counts, most common first."""

    name: str
    values: tuple[tuple[AttributeValue, int], ...]


def is_sampled(rows: int, sample: int = SAMPLE) -> bool:
    """Whether the counts over so many rows are those of a sample."""
    return _step(rows, sample) > 1


def _step(rows: int, sample: int) -> int:
    return rows // sample + 1


def count_facets(gallery: Gallery, sample: int = SAMPLE) -> list[Facet]:
    """Facets over up to `sample` rows spread evenly over those that there are, by name."""
    counters: dict[str, Counter[tuple[str, AttributeValue]]] = {}
    ids = gallery.ids()
    for id in ids[:: _step(len(ids), sample)].tolist():
        item = gallery.get(id)
        for name, value in item.attributes.items() if item is not None else ():
            if isinstance(value, float):
                continue  # a measurement, not a choice
            # the type belongs to the key: 1 and True are equal in Python, but two values to people
            counters.setdefault(name, Counter())[type(value).__name__, value] += 1
    return [
        Facet(name, tuple((value, count) for (_, value), count in counter.most_common(VALUES_PER_ATTRIBUTE)))
        for name, counter in sorted(counters.items())
        if len(counter) <= MAX_DISTINCT
    ]
