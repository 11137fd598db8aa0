"""What people decided in cases as labelled queries: the sentences, whom they found, whom they did not."""

from collections.abc import Iterable
from dataclasses import dataclass

from indexer.gallery import Gallery
from model.errors import ConfigError
from service.casework.case_file import Finding, case_file, same_words
from service.casework.desk import people_needed_in
from service.casework.entries import FILE, Entries
from service.casework.row_marks import fits
from service.settings import Settings


@dataclass(frozen=True)
class Labelled:
    """A sentence asked in a case, and the rows that were confirmed for it and said not to show the person."""

    case: str
    query: str
    confirmed: frozenset[int]
    refused: frozenset[int]


@dataclass(frozen=True)
class Labels:
    """What people decided. undecided: pairs of a sentence and a row with decisions that came to nothing;

    another: findings on rows that are other ones now; unchecked: confirmed rows of earlier versions.
    """

    labelled: list[Labelled]
    undecided: int
    another: int
    unchecked: int


def labels_of(settings: Settings, gallery: Gallery, people_needed: int) -> Labels:
    """What people decided, as far as it can be measured. Raises ConfigError where nobody is confirmed."""
    entries = Entries(settings.state_folder)
    labelled, undecided, another, unchecked = [], 0, 0, 0
    for case, written in entries.by_case().items():
        file = case_file(written, people_needed, gallery.get)
        findings = [found for found in file.findings if found.asked == "words"]
        there = [
            found
            for found in findings
            if found.item not in file.rows or fits(found.mark, file.rows[found.item])
        ]
        another += len(findings) - len(there)
        undecided += sum(found.state in ("one more", "disputed", "unsure") for found in there)
        unchecked += sum(found.state == "confirmed" and not found.checked for found in there)
        labelled += _of_case(case, there)
    entries.close()
    if not labelled:
        raise ConfigError(
            "Nobody is confirmed in any case yet: decide who is the person searched for, first."
        )
    return Labels(labelled, undecided, another, unchecked)


def _of_case(case: str, findings: Iterable[Finding]) -> list[Labelled]:
    confirmed: dict[str, set[int]] = {}
    refused: dict[str, set[int]] = {}
    words: dict[str, str] = {}
    for found in findings:
        query = same_words(found.query)
        if found.state == "confirmed":
            words.setdefault(query, found.query)
            confirmed.setdefault(query, set()).add(found.item)
        elif any(said.verdict == "not" and said.item == found.item for said in found.decisions):
            refused.setdefault(query, set()).add(found.item)
    return [
        Labelled(case, words[query], frozenset(items), frozenset(refused.get(query, ())))
        for query, items in confirmed.items()
    ]


def needed_of(settings: Settings, given: int | None) -> int:
    """How many people must agree: as said, or as the service of this gallery asks. Raises ConfigError."""
    place = settings.state_folder / FILE
    if not place.exists():
        raise ConfigError(f"{place} is not there: no decision was ever kept for this gallery.")
    needed = given or people_needed_in(settings.state_folder)
    if needed is None:
        raise ConfigError(
            "It is not known how many people must agree in the cases of this gallery: say --people-needed 1 "
            "or 2."
        )
    return needed
