"""The present state of a case, read off its entries: who is pinned, what was decided, what was noted."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.grouping import group_of
from indexer.items import GalleryItem
from service.casework.entries import Asked, Entry
from service.casework.row_marks import fits, row_mark

State = Literal["confirmed", "one more", "disputed", "not", "unsure"]
"""What the decisions on one person come to. `one more`: another person has to look before it is confirmed."""

Place = tuple[int, str]
"""A row: its id, and the mark of the item that an entry meant by it ("" in entries of earlier versions)."""
Subject = tuple[str, Asked, Hashable]
"""What is decided on: the words, whether they stood alone, and a passage."""


@dataclass(frozen=True)
class Finding:
    """Whether `item` is the person of `query`: what came out, and the last decision of each person.

    A person's decision on another row of the passage counts where there is none on this one. asked: whether
    the words alone were asked for; mark: of the row that was decided on; earlier: what people said of it
    before they changed their minds, the oldest first.
    """

    item: int
    mark: str
    query: str
    asked: Asked
    state: State
    decisions: tuple[Entry, ...]
    earlier: tuple[Entry, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether each decision says which row it was made on; those of earlier versions do not."""
        return all(one.mark for one in self.decisions)


@dataclass(frozen=True)
class CaseFile:
    """`pins` (the last pin of each item that was not taken off), `findings` and `notes`, the oldest first.

    rows: what the gallery holds now under the ids that pins and findings name.
    """

    pins: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Entry, ...]
    rows: Mapping[int, GalleryItem]


def case_file(
    entries: Iterable[Entry], people_needed: int, get: Callable[[int], GalleryItem | None]
) -> CaseFile:
    """What entries in their order come to; `people_needed`: people who must say `same` to confirm it.

    `get`: what the gallery holds under an id.
    """
    pins: dict[int | None, Entry] = {}
    decisions: list[Entry] = []
    notes: list[Entry] = []
    for entry in entries:
        if entry.kind == "note":
            notes.append(entry)
        elif entry.kind == "decision":
            decisions.append(entry)
        else:
            pins.pop(entry.item, None)
            if entry.kind == "pin":
                pins[entry.item] = entry
    named = dict.fromkeys(one.item for one in (*pins.values(), *decisions) if one.item is not None)
    found = {id: get(id) for id in named}
    rows = {id: item for id, item in found.items() if item is not None}
    return CaseFile(
        tuple(pins.values()), tuple(_findings(decisions, people_needed, rows)), tuple(notes), rows
    )


def same_words(text: str) -> str:
    """Words and names as they are compared: whatever their case and the spaces between them."""
    return " ".join(text.casefold().split())


def person_of(entry: Entry) -> str:
    """Who wrote it: keys of one name are one person's; "" without a key."""
    return same_words(entry.name) if entry.key else ""


def _findings(
    decisions: Sequence[Entry], people_needed: int, rows: Mapping[int, GalleryItem]
) -> Iterable[Finding]:
    latest: dict[Subject, dict[str, Entry]] = {}
    swayed: set[tuple[Subject, str]] = set()
    on_rows: dict[tuple[Subject, Place], dict[str, Entry]] = {}
    earlier: dict[tuple[Subject, Place], list[Entry]] = {}
    for entry in decisions:
        place, passage = _where(entry, rows)
        subject = (same_words(entry.query), entry.asked, passage)
        said, person = on_rows.setdefault((subject, place), {}), person_of(entry)
        if _is_swayed(latest.get(subject, {}), person, entry):
            swayed.add((subject, person))
        if person in said and said[person].verdict != entry.verdict:
            earlier.setdefault((subject, place), []).append(said[person])
        said[person] = latest.setdefault(subject, {})[person] = entry
    for (subject, (item, mark)), said in on_rows.items():
        words = next(iter(said.values()))
        decided = latest[subject] | said
        agreed = [one for who, one in decided.items() if (subject, who) not in swayed]
        whole = tuple(decided.values())
        before = tuple(earlier.get((subject, (item, mark)), ()))
        yield Finding(
            item, mark, words.query, words.asked, _state(whole, agreed, people_needed), whole, before
        )


def _where(entry: Entry, rows: Mapping[int, GalleryItem]) -> tuple[Place, Hashable]:
    """The row that an entry means, and its passage; a row that is not there any more is alone."""
    assert entry.item is not None
    item = rows.get(entry.item)
    if item is None or not fits(entry.mark, item):
        return (entry.item, entry.mark), ("row", entry.item, entry.mark)
    return (entry.item, row_mark(item)), group_of(entry.item, item)


def _is_swayed(before: Mapping[str, Entry], person: str, entry: Entry) -> bool:
    """Whether somebody changes to `same` who could see by then what others had decided."""
    changes = person in before and before[person].verdict != "same"
    return changes and entry.verdict == "same" and len(before) > 1


def _state(decisions: Sequence[Entry], unswayed: Sequence[Entry], people_needed: int) -> State:
    """Where two people must agree, nobody counts who shows no key, or came round to what others had said."""
    verdicts = [decision.verdict for decision in decisions]
    if "same" in verdicts:
        if "not" in verdicts:
            return "disputed"
        counting = decisions if people_needed == 1 else [one for one in unswayed if one.key]
        agreed = sum(one.verdict == "same" for one in counting)
        return "confirmed" if agreed >= people_needed else "one more"
    return "not" if "not" in verdicts else "unsure"
