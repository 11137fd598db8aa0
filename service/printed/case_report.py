"""The file of a case on paper: who was pinned, what was decided by whom, what was noted."""

from collections.abc import Mapping

from service.keys import now
from service.printed.sheet import heading, people, person, quotation, sheet
from service.schemas.cases import CaseResponse, Judged, Pinned
from service.schemas.items import Item

STATES = {
    "confirmed": "Confirmed as the person searched for",
    "one more": "Waiting for another person to look",
    "disputed": "Disputed: people disagree",
    "not": "Not the person searched for",
    "unsure": "Unsure",
}
VERDICTS = {"same": "same person", "not": "not the person", "unsure": "unsure"}


def case_report(case: CaseResponse, pictures: Mapping[int, bytes], printed_by: str) -> bytes:
    """HTML; `pictures` by the ids of rows."""
    facts = [
        ("Ground", case.basis),
        ("Opened", case.opened),
        ("Open until", case.expires),
        ("Cameras", ", ".join(case.cameras) if case.cameras else "all"),
        ("People who must agree", str(case.people_needed)),
        ("Printed", f"{now()} by {printed_by}"),
    ]
    return sheet(
        f"Case {case.id}", facts, [*_findings(case, pictures), *_pins(case, pictures), *_notes(case)]
    )


def _findings(case: CaseResponse, pictures: Mapping[int, bytes]) -> list[str]:
    parts = []
    for state, title in STATES.items():
        found = [one for one in case.findings if one.state == state]
        if found:
            parts += [heading(title), people(_finding(one, pictures) for one in found)]
    return parts


def _finding(found: Judged, pictures: Mapping[int, bytes]) -> str:
    decisions = [
        f"{one.by}: {VERDICTS[one.verdict]}, {one.at}{f' ({one.words})' if one.words else ''}"
        for one in found.decisions
    ]
    lines = [*_where(found.item), f"searched by: {_asked(found)}", *decisions]
    return person(pictures.get(found.id), f"No. {found.id}", lines)


def _pins(case: CaseResponse, pictures: Mapping[int, bytes]) -> list[str]:
    if not case.pins:
        return []
    return [heading("Pinned"), people(_pin(pin, pictures) for pin in case.pins)]


def _pin(pin: Pinned, pictures: Mapping[int, bytes]) -> str:
    found_by = [f"found by: {_asked(pin)}"] if pin.query else []
    return person(
        pictures.get(pin.id), f"No. {pin.id}", [*_where(pin.item), *found_by, f"pinned by {pin.by}, {pin.at}"]
    )


def _notes(case: CaseResponse) -> list[str]:
    if not case.notes:
        return []
    return [heading("Notes"), *(quotation(note.words, f"{note.by}, {note.at}") for note in case.notes)]


def _asked(one: Judged | Pinned) -> str:
    return one.query if one.asked == "words" else f"{one.query} (with pictures or people marked)"


def _where(item: Item | None) -> list[str]:
    if item is None:
        return ["no longer in the gallery"]
    return [item.camera or "camera not known", item.seen_at or "time not known"]
