"""Working on a case on the page, in a real browser: open, pin, decide, note, print; alone and in casework."""

import pytest

from tests.end_to_end.page.case_steps import decide, open_case, pin, sign_in
from tests.end_to_end.page.stage import HOSTILE

pytestmark = pytest.mark.browser


def test_a_case_from_its_opening_to_its_report(visit, kept, tmp_path) -> None:
    visitor = visit(kept)
    page = visitor.page
    open_case(visitor, basis=HOSTILE)
    page.click("[data-nav=search]")
    visitor.ask("red jacket")
    pin(visitor, 2)
    page.wait_for_selector("#toast:has-text('Number 2 is pinned to the case 2026-117.')")
    other = visitor.ids()[-1]
    pin(visitor, other)
    page.wait_for_selector(f"#toast:has-text('Number {other} is pinned')")
    page.press("#text", "ArrowDown")
    page.keyboard.press("Enter")
    assert "Kept" in decide(visitor, "same")
    page.keyboard.press("Escape")
    page.click("[data-nav=cases]")
    page.click(".case-row a")
    page.fill("#note-words", HOSTILE)
    page.click("text=Add the note")
    page.wait_for_selector("#case-notes li")
    shown = page.inner_text("#case-file")
    assert "Confirmed as the person searched for" in shown
    assert "searched by: red jacket" in shown
    assert shown.count(HOSTILE) == 2
    assert shown.count("No. 2\n") == shown.count(f"No. {other}\n") == 1  # each once, pinned or decided on
    with page.expect_download() as report:
        page.click("text=Report to print")
    report.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text
    assert text.count("data:image/jpeg") == 2
    page.click("text=Take off")
    page.wait_for_selector("#case-people h3:has-text('Pinned')", state="detached")
    page.reload(wait_until="networkidle")
    assert page.inner_text("#case-title") == "Case 2026-117"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("text=Close the case")
    page.wait_for_selector("#cases-told:has-text('The case 2026-117 is closed')")
    page.wait_for_selector("text=No open case")
    page.wait_for_selector("#case-now", state="hidden")
    assert page.evaluate("window.pwned") is None


def test_somebody_pinned_leads_back_to_the_search(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    open_case(visitor)
    page.click("[data-nav=search]")
    visitor.ask("red jacket")
    pin(visitor, 2)
    page.wait_for_selector("#toast:has-text('Number 2 is pinned')")
    page.click("[data-nav=cases]")
    page.click(".case-row a")
    page.click("[aria-label='Open number 2']")
    page.click("#detail >> text=More like this")
    page.wait_for_selector(".query-chip.is-like")
    visitor.wait_for_best(2)
    assert not page.is_visible("#cases-view")
    assert page.get_attribute("[data-nav=search]", "aria-current") == "page"
    page.go_back()
    page.wait_for_selector("#case-title:has-text('Case 2026-117')")
    assert not page.is_visible("#results")


def test_without_a_case_nobody_is_pinned_and_a_bad_name_is_told(visit, kept) -> None:
    visitor = visit(kept)
    visitor.ask("red jacket")
    visitor.page.press("#text", "ArrowDown")
    visitor.page.keyboard.press("p")
    visitor.page.wait_for_selector("#toast:has-text('Choose a case first')")
    open_case(visitor, "a")
    visitor.page.fill("#case-form [name=id]", "a")
    visitor.page.fill("#case-form [name=basis]", "again")
    visitor.page.click("text=Open the case")
    visitor.page.wait_for_selector("#case-problem:has-text('There is a case a already')")
    visitor.expect_failed_request()


def test_in_casework_two_people_confirm(visit, casework) -> None:
    for name, verdict in (
        ("one", "Another person has to look"),
        ("other", "Confirmed as the person searched for."),
    ):
        visitor = visit(casework.stage)
        sign_in(visitor, casework.keys[name])
        if name == "other":  # who looks next does not know what was decided before
            visitor.page.click("[data-nav=cases]")
            visitor.page.wait_for_selector("text=Look for yourself")
            assert "one: decided" in visitor.page.inner_text("#case-people")
            visitor.page.click("[data-nav=search]")
        visitor.ask("red jacket")
        visitor.page.click(".hit >> nth=0")
        assert verdict in decide(visitor, "same")
    visitor.page.keyboard.press("Escape")
    visitor.page.click("[data-nav=cases]")
    visitor.page.wait_for_selector("#cases-hint:has-text('2 people must agree')")
    visitor.page.wait_for_selector("text=Confirmed as the person searched for")
    people = visitor.page.inner_text("#case-people")
    assert "one: same person" in people
    assert "other: same person" in people
    visitor.page.click("text=Sign out")
    visitor.page.wait_for_selector("#signin[open]")
    visitor.troubles.clear()


def test_in_casework_further_people_are_shown_only_when_asked_for(visit, casework) -> None:
    visitor = visit(casework.stage)
    sign_in(visitor, casework.keys["one"])
    visitor.ask("red jacket")
    visitor.page.mouse.wheel(0, 4000)
    visitor.page.wait_for_timeout(300)
    assert len(visitor.ids()) == 24
    visitor.page.click("#more")
    visitor.wait_for_hits(30)


def test_a_note_that_is_half_written_stays_with_its_case(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    open_case(visitor, "one")
    open_case(visitor, "two")
    page.fill("#note-words", "of the second")
    page.click(".case-row a:has-text('one')")
    page.wait_for_selector("#case-title:has-text('Case one')")
    assert page.input_value("#note-words") == ""
    page.click(".case-row a:has-text('two')")
    page.wait_for_selector("#case-title:has-text('Case two')")
    assert page.input_value("#note-words") == "of the second"
