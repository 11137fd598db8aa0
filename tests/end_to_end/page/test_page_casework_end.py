"""Casework on the page when it ends, in a real browser: nobody stays on a screen that nobody may look at."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from service.casework.cases import CaseStore
from tests.end_to_end.page.case_steps import choose_case, sign_in

pytestmark = pytest.mark.browser


def on_a_short_case(visit, casework, until: str = "2999-01-01T00:00:00.000Z"):
    """Somebody who works on the case "short", and where cases are ended."""
    cases = CaseStore(casework.state)
    cases.begin("short", "report", until)
    visitor = visit(casework.stage)
    sign_in(visitor, casework.keys["one"], "short")
    return visitor, cases


def test_who_is_on_a_screen_goes_when_the_case_is_closed(visit, casework) -> None:
    visitor, cases = on_a_short_case(visit, casework)
    page = visitor.page
    visitor.ask("red jacket")
    page.click(".hit >> nth=0")
    page.wait_for_selector("#detail[open]")
    cases.end("short")
    page.wait_for_selector("#toast:has-text('The case short is not open to you any more.')")
    page.wait_for_selector("#detail", state="hidden")
    assert visitor.ids() == []
    assert page.url == casework.stage.url
    visitor.troubles.clear()  # pictures that were still on their way


def test_the_case_is_left_and_nobody_stays_on_the_screen(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"])
    visitor.ask("red jacket")
    page.click("#case-leave")
    page.wait_for_selector("#toast:has-text('You work on no case now')")
    assert visitor.ids() == []
    assert not page.is_visible("#choice")
    page.click("#toast >> text=Choose a case")
    choose_case(visitor, "case-8")
    assert visitor.ids() == []  # who was searched for in the other case is not searched for in this
    visitor.troubles.clear()  # pictures that were still on their way


def test_nobody_stays_on_the_screen_when_the_case_runs_out(visit, casework) -> None:
    end = datetime.now(UTC) + timedelta(seconds=8)
    visitor, _ = on_a_short_case(visit, casework, end.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    visitor.ask("red jacket")
    visitor.page.wait_for_selector(
        "#toast:has-text('The case short is not open to you any more.')", timeout=20_000
    )
    assert visitor.ids() == []
    visitor.troubles.clear()  # what was on its way


def test_every_tab_is_cleared_when_the_case_is_over(visit, casework) -> None:
    visitor, cases = on_a_short_case(visit, casework)
    page = visitor.page
    page.click("[data-nav=cases]")
    page.wait_for_selector("#case-title")
    page.fill("#note-words", "half a note")
    page.reload(wait_until="networkidle")
    expect(page.locator("#note-words")).to_have_value("half a note")
    other = page.context.new_page()
    other.goto(f"{casework.stage.url}?q=red+jacket", wait_until="networkidle")
    cases.end("short")
    for tab in (other, page):
        tab.wait_for_selector("#toast:has-text('The case short is')", timeout=20_000)
        assert not tab.is_visible("#case-file")
        assert tab.locator(".hit").count() == 0
    other.close()
    visitor.troubles.clear()  # what was on its way


@pytest.mark.parametrize(("case", "goes_on"), [("case-7", True), ("case-8", False)])
def test_who_signs_in_again_goes_on_in_the_same_case_alone(visit, casework, case: str, goes_on: bool) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"], "case-7")
    visitor.ask("red jacket")
    page.evaluate("fetch('v1/session', { method: 'DELETE' })")  # as if it had run out
    page.wait_for_selector("#signin[open]")
    assert visitor.ids() == []
    page.fill("#signin-form [name=key]", casework.keys["one"])
    page.press("#signin-form [name=key]", "Enter")
    choose_case(visitor, case)
    if goes_on:
        visitor.wait_for_hits(24)
    expect(page.locator("#text")).to_have_value("red jacket" if goes_on else "")
    assert bool(visitor.ids()) is goes_on
    visitor.troubles.clear()  # 401s, and 403s until a case is chosen
