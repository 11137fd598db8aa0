"""The file of a case on paper: who was pinned, what was decided by whom, what was noted."""

from collections.abc import Mapping

from service.printed.sheet import heading, moment, people, person, printed, quotation, seen, sheet
from service.schemas.cases import CaseResponse, Decision, Judged, Pinned

STATES = {
    "hidden": "Decided by others: not shown to who has not decided",
    "confirmed": "Confirmed as the person searched for",
    "one more": "Another person has to look",
    "disputed": "Disputed: people disagree",
    "not": "Not the person searched for",
    "unsure": "Unsure",
}
MISSING = {
    "gone": "no longer in the gallery",
    "another": "this number is another person's picture now; it is not shown",
    "budget": "not shown: this key is shown no more people today",
}
UNCHECKED = "from an earlier version: not checked that this is the picture that was meant"
VERDICTS = {None: "not shown", "same": "same person", "not": "not the person", "unsure": "unsure"}


def case_report(
    case: CaseResponse,
    pictures: Mapping[int, bytes],
    printed_by: str,
    *,
    encoder: str,
    purpose: str = "",
    closed: str | None = None,
) -> bytes:
    """HTML; `pictures` by the ids of rows; `closed`: when it was, None: it is open, or has expired.

    `encoder`: what ranks people now; `purpose`: of whoever prints it, where that is known.
    """
    facts = [
        ("Ground", case.basis),
        ("Opened", moment(case.opened)),
        ("Closed", moment(closed)) if closed else ("Open until", moment(case.expires)),
        ("Cameras", ", ".join(case.cameras) if case.cameras else "all"),
        ("People who must agree", str(case.people_needed)),
        ("Encoder of the gallery now", encoder),
        printed(printed_by),
    ]
    if purpose:
        facts.append(("Purpose", purpose))
    if case.withheld:
        facts.append(("Left out", f"{case.withheld} pins and findings on people not open to this key"))
    return sheet(
        f"Case {case.id}", facts, [*_findings(case, pictures), *_pins(case, pictures), *_notes(case)]
    )


def _findings(case: CaseResponse, pictures: Mapping[int, bytes]) -> list[str]:
    pins = {_who(pin): pin for pin in case.pins}
    parts = []
    for state, title in STATES.items():
        found = [one for one in case.findings if one.state == state]
        if found:
            parts += [heading(title), people(_finding(one, pictures, pins.get(_who(one))) for one in found)]
    return parts


def _finding(found: Judged, pictures: Mapping[int, bytes], pin: Pinned | None) -> str:
    decisions = [_said(found, one) for one in found.decisions]
    decisions += [f"before that, {_said(found, one)}" for one in reversed(found.earlier)]
    lines = [*_where(found), f"searched by: {_asked(found)}", *decisions, *_pinned(pin, _asked(found))]
    return person(_picture(found, pictures), f"No. {found.id}", lines)


def _said(found: Judged, one: Decision) -> str:
    return f"{one.by}: {VERDICTS[one.verdict]}{_other_row(found, one)}, {moment(one.at)}{_reason(one)}"


def _other_row(found: Judged, said: Decision) -> str:
    return "" if said.item == found.id else f" (on No. {said.item})"


def _reason(said: Decision) -> str:
    return f" ({said.words})" if said.words else ""


def _pins(case: CaseResponse, pictures: Mapping[int, bytes]) -> list[str]:
    """Those on whom nobody has decided; the others stand among the findings."""
    decided = {_who(found) for found in case.findings}
    pins = [pin for pin in case.pins if _who(pin) not in decided]
    return [heading("Pinned"), people(_pin(pin, pictures) for pin in pins)] if pins else []


def _pin(pin: Pinned, pictures: Mapping[int, bytes]) -> str:
    return person(_picture(pin, pictures), f"No. {pin.id}", [*_where(pin), *_pinned(pin)])


def _pinned(pin: Pinned | None, known: str = "") -> list[str]:
    """By whom, and found by which words, unless those are known."""
    if pin is None:
        return []
    found_by = [f"found by: {_asked(pin)}"] if pin.query and _asked(pin) != known else []
    return [*found_by, f"pinned by {pin.by}, {moment(pin.at)}"]


def _who(one: Judged | Pinned) -> tuple[int, str | None]:
    """Whom it is about: a number may have come to mean another person in between."""
    return one.id, one.missing


def _notes(case: CaseResponse) -> list[str]:
    if not case.notes:
        return []
    return [
        heading("Notes"),
        *(quotation(note.words, f"{note.by}, {moment(note.at)}") for note in case.notes),
    ]


def _asked(one: Judged | Pinned) -> str:
    return one.query if one.asked == "words" else f"{one.query} (with pictures or people marked)"


def _picture(one: Judged | Pinned, pictures: Mapping[int, bytes]) -> bytes | None:
    return pictures.get(one.id) if one.item is not None else None


def _where(one: Judged | Pinned) -> list[str]:
    if one.item is None:
        return [MISSING[one.missing or "gone"]]
    unchecked = [] if one.checked else [UNCHECKED]
    return [*seen(one.item), *unchecked]
