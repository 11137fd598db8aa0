"""What decisions on somebody come to is said on the page as on paper."""

import re
from pathlib import Path
from typing import get_args

from service.printed.case_report import STATES, VERDICTS
from service.schemas.cases import Judged

SCRIPT = Path(__file__).parent.parent / "service" / "web" / "states.js"
ENTRY = re.compile(r"""(?:"([^"]+)"|(\w+)): ("[^"]*"|`[^`]*`)""")


def shown(name: str) -> dict[str, str]:
    """A table of the page's, by state."""
    (table,) = re.findall(rf"export const {name} = \{{(.*?)\}};", SCRIPT.read_text("utf-8"), re.DOTALL)
    return {quoted or bare: text[1:-1] for quoted, bare, text in ENTRY.findall(table)}


def test_the_page_and_the_report_know_every_state_in_one_order() -> None:
    assert list(STATES) == list(get_args(Judged.model_fields["state"].annotation))
    assert list(shown("STATES")) == list(STATES)
    assert shown("OUTCOMES").keys() == STATES.keys() - {"hidden"}


def test_the_page_and_the_report_say_the_same() -> None:
    paper = {state: title for state, title in STATES.items() if state != "hidden"}  # it speaks of others
    assert {state: title for state, title in shown("STATES").items() if state != "hidden"} == paper
    assert shown("VERDICTS") == {verdict: text for verdict, text in VERDICTS.items() if verdict}
