"""In casework nobody is shown to anybody without an open case and a purpose."""

from collections.abc import Iterable

from service.casework.cases import CaseStore
from service.casework.protected_text import check_words
from service.errors import CaseRequired, Forbidden
from service.keys import KeyProblem, check_apart, now
from service.scopes import Caller

LEAST_LETTERS = 3
WHY = "Say why in the header Cskt-Purpose, in a few words."
WHICH = "Name an open case that this key may work on in the header Cskt-Case."


class Gate:
    """Lets callers through to people for a case; `cases` None: this profile asks for none.

    `guarded`: texts that ask for protected traits are refused.
    """

    def __init__(self, cases: CaseStore | None, *, guarded: bool) -> None:
        self._cases, self._guarded = cases, guarded

    def check(self, texts: Iterable[str]) -> None:
        """Raises ProtectedTrait."""
        if self._guarded:
            check_words(texts)

    def admit(self, caller: Caller, case: str, purpose: str) -> Caller:
        """The caller, narrowed to the cameras of the case. Raises CaseRequired, Forbidden.

        A case that does not exist, is closed, has expired or is somebody else's is answered alike.
        """
        if self._cases is None:
            return caller
        try:
            check_apart(caller.scopes)
        except KeyProblem as error:
            raise Forbidden("This key holds scopes that casework keeps apart; take another.") from error
        found = self._cases.find(case)
        if found is None or not found.open_for(caller.key, now()):
            raise CaseRequired(WHICH)
        if sum(letter.isalpha() for letter in purpose) < LEAST_LETTERS:
            raise CaseRequired(WHY)
        return caller.within(found.cameras)

    def narrowed(self, caller: Caller, case: str) -> Caller:
        """The caller as one who works on that case, where it asks for nobody; no case narrows nothing."""
        found = self._cases.find(case) if self._cases is not None and case else None
        return caller if found is None else caller.within(found.cameras)
