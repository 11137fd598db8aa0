"""The present state of a case, read off its entries: who is pinned, what was decided, what was noted."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from service.casework.entries import Asked, Entry

State = Literal["confirmed", "one more", "disputed", "not", "unsure"]
"""What the decisions on one person come to. `one more`: another person has to look before it is confirmed."""


@dataclass(frozen=True)
class Finding:
    """Whether `item` is the person of `query`: what came out, and each key's last decision.

    asked: whether the words alone were asked for.
    """

    item: int
    query: str
    asked: Asked
    state: State
    decisions: tuple[Entry, ...]


@dataclass(frozen=True)
class CaseFile:
    """`pins` (the last pin of each item that was not taken off), `findings` and `notes`, the oldest first."""

    pins: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Entry, ...]


def case_file(entries: Iterable[Entry], people_needed: int) -> CaseFile:
    """What entries in their order come to; `people_needed`: keys that must say `same` to confirm it."""
    pins: dict[int | None, Entry] = {}
    decisions: dict[tuple[str, Asked, int], dict[str, Entry]] = {}
    notes: list[Entry] = []
    for entry in entries:
        if entry.kind == "note":
            notes.append(entry)
        elif entry.kind == "decision" and entry.item is not None:
            key = (entry.query, entry.asked, entry.item)
            decisions.setdefault(key, {})[entry.key] = entry
        else:
            pins.pop(entry.item, None)
            if entry.kind == "pin":
                pins[entry.item] = entry
    findings = [
        Finding(item, query, asked, _state(by_key.values(), people_needed), tuple(by_key.values()))
        for (query, asked, item), by_key in decisions.items()
    ]
    return CaseFile(tuple(pins.values()), tuple(findings), tuple(notes))


def _state(decisions: Iterable[Entry], people_needed: int) -> State:
    verdicts = [decision.verdict for decision in decisions]
    if "same" in verdicts:
        if "not" in verdicts:
            return "disputed"
        return "confirmed" if verdicts.count("same") >= people_needed else "one more"
    return "not" if "not" in verdicts else "unsure"
