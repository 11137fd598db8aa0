"""A case as it is told: in answers, and on paper."""

from collections.abc import Collection, Mapping
from typing import Literal

from service.casework.case_file import CaseFile, Finding, person_of
from service.casework.cases import Case
from service.casework.entries import Entry
from service.casework.row_marks import fits
from service.schemas.cases import CaseResponse, CaseSummary, Decision, Judged, Noted, Pinned
from service.schemas.items import Item
from service.scopes import Caller
from service.shown import item_facts
from service.visible import may_see


def rows_open_to(file: CaseFile, caller: Caller) -> list[int]:
    """The rows that the caller may see, of those that pins and findings mean."""
    named = _open_to(file, caller)
    return [one.item for one in named if one.item is not None and not _gone(one, file)]


def is_pinned_for(file: CaseFile, caller: Caller, item: int) -> bool:
    """Whether the caller is shown a pin on this row."""
    return any(isinstance(one, Entry) and one.item == item for one in _open_to(file, caller))


def case_answer(
    case: Case, file: CaseFile, caller: Caller, shown: Collection[int] | None, people_needed: int
) -> CaseResponse:
    """The case and its file as the caller may know them.

    `shown`: the rows whose facts are told; None: nobody's, because they were not asked for.
    """
    mine = _open_to(file, caller)
    facts = {id: item_facts(id, file.rows[id]) for id in shown or () if id in file.rows}
    why: Literal["budget", "unasked"] = "unasked" if shown is None else "budget"
    return CaseResponse(
        **case_summary(case).model_dump(),
        pins=[_pinned(one, file, facts, why) for one in mine if isinstance(one, Entry)],
        findings=[
            _unless_to_be_judged(one, _judged(one, file, facts, why, caller), caller, people_needed)
            for one in mine
            if isinstance(one, Finding)
        ],
        notes=[Noted(words=note.words, by=note.name, at=note.at) for note in file.notes],
        people_needed=people_needed,
        withheld=len(file.pins) + len(file.findings) - len(mine),
    )


def _open_to(file: CaseFile, caller: Caller) -> list[Entry | Finding]:
    """What is about people whom the caller may see; of who is gone nobody knows any more on which camera."""
    named: list[Entry | Finding] = [*file.pins, *file.findings]
    if caller.cameras is None:
        return named
    return [one for one in named if not _gone(one, file) and may_see(file.rows[one.item or 0], caller)]


def _gone(one: Entry | Finding, file: CaseFile) -> Literal["gone", "another"] | None:
    """Why a row cannot be shown as the one that was meant."""
    row = file.rows.get(one.item or 0)
    if row is None:
        return "gone"
    return None if fits(one.mark, row) else "another"


def _pinned(
    pin: Entry, file: CaseFile, shown: Mapping[int, Item], why: Literal["budget", "unasked"]
) -> Pinned:
    gone, item = _gone(pin, file), pin.item or 0
    return Pinned(
        id=item,
        item=None if gone else shown.get(item),
        missing=gone or (None if item in shown else why),
        checked=pin.mark != "",
        query=pin.query,
        asked=pin.asked,
        by=pin.name,
        at=pin.at,
    )


def _judged(
    found: Finding,
    file: CaseFile,
    shown: Mapping[int, Item],
    why: Literal["budget", "unasked"],
    caller: Caller,
) -> Judged:
    gone = _gone(found, file)
    own = [one.query for one in found.decisions if _is_by(one, caller)]
    return Judged(
        id=found.item,
        item=None if gone else shown.get(found.item),
        missing=gone or (None if found.item in shown else why),
        checked=found.checked,
        query=own[0] if own else found.query,
        asked=found.asked,
        state=found.state,
        decisions=[_decision(one, caller) for one in found.decisions],
        earlier=[_decision(one, caller) for one in found.earlier],
    )


def _unless_to_be_judged(found: Finding, told: Judged, caller: Caller, people_needed: int) -> Judged:
    """Without what others decided, where the caller has not and could be who is still needed."""
    settled = found.state in ("confirmed", "disputed", "not") and len(found.decisions) >= people_needed
    if settled or not caller.key or people_needed == 1 or any(_is_by(one, caller) for one in found.decisions):
        return told
    unsaid = [one.model_copy(update={"verdict": None, "words": ""}) for one in told.decisions]
    return told.model_copy(update={"state": "hidden", "decisions": unsaid, "earlier": []})


def _is_by(entry: Entry, caller: Caller) -> bool:
    return person_of(entry) == person_of(Entry("note", caller.key, caller.name))


def case_summary(case: Case) -> CaseSummary:
    cameras = None if case.cameras is None else list(case.cameras)
    return CaseSummary(
        id=case.id, basis=case.basis, opened=case.opened, expires=case.expires, cameras=cameras
    )


def _decision(entry: Entry, caller: Caller) -> Decision:
    assert entry.verdict is not None
    return Decision(
        verdict=entry.verdict,
        item=entry.item or 0,
        by=entry.name,
        at=entry.at,
        words=entry.words,
        mine=_is_by(entry, caller),
    )
