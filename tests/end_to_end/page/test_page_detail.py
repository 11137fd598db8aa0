"""One person, large, in a real browser: keys and focus, Back, what the case says and keeps."""

import json

import httpx
import pytest
from playwright.sync_api import expect

from tests.end_to_end.page.case_steps import decide, open_case, pin

pytestmark = pytest.mark.browser


def file_of(stage, id: str = "2026-117") -> dict:
    return httpx.get(f"{stage.url}v1/cases/{id}").json()


def searched(visit, stage, words: str = "red jacket"):
    """A visitor who works on a case and sees hits."""
    visitor = visit(stage)
    open_case(visitor)
    visitor.page.click("[data-nav=search]")
    visitor.ask(words)
    return visitor


def test_pinned_and_decided_is_shown_and_taken_back(visit, kept) -> None:
    visitor = searched(visit, kept)
    page = visitor.page
    pressed = page.locator("#detail [data-act=pin]")
    pin(visitor, 1)
    page.wait_for_selector("#toast:has-text('Number 1 is pinned')")
    pin(visitor, 1)
    page.wait_for_selector("#toast:has-text('Number 1 is not pinned any more.')")
    assert file_of(kept)["pins"] == []
    page.click(".hit[data-id='1']")
    expect(pressed).to_have_text("Pin")
    pressed.click()
    expect(pressed).to_have_text("Pinned")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#detail-toast")).to_contain_text("Number 1 is pinned")
    assert [one["id"] for one in file_of(kept)["pins"]] == [1]
    decide(visitor, "unsure")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-toast")).to_be_empty()  # it was about somebody else
    expect(page.locator("[data-verdict][aria-pressed=true]")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-verdict=unsure]")).to_have_attribute("aria-pressed", "true")
    pressed.click()
    expect(pressed).to_have_attribute("aria-pressed", "false")
    assert file_of(kept)["pins"] == []


def test_a_decision_that_was_not_kept_does_not_look_made(visit, kept) -> None:
    visitor = searched(visit, kept)
    page = visitor.page
    page.click(".hit >> nth=0")
    page.route("**/entries?*", lambda route: route.fulfill(status=503, json={"detail": "The log is full."}))
    assert decide(visitor, "same") == "Not kept: The log is full."
    expect(page.locator("[data-verdict=same]")).to_have_attribute("aria-pressed", "false")
    visitor.expect_failed_request()


def test_somebody_pinned_is_decided_on_by_the_words_he_was_pinned_by(visit, kept) -> None:
    visitor = searched(visit, kept)
    page = visitor.page
    pin(visitor, 2)
    page.wait_for_selector("#toast:has-text('Number 2 is pinned')")
    visitor.ask("green shirt")
    page.click("[data-nav=cases]")
    page.click("[aria-label='Open number 2']")
    expect(page.locator(".decisions")).to_contain_text("Searched by: red jacket")
    with page.expect_request("**/v1/items/2/evidence") as asked:
        page.click("text=Show what answers which words")
    assert json.loads(asked.value.post_data)["text"] == "red jacket"
    decide(visitor, "same")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Confirmed as the person searched for")  # the file is the new one
    assert [(one["id"], one["query"]) for one in file_of(kept)["findings"]] == [(2, "red jacket")]


def test_what_more_than_words_was_asked_for_is_kept(visit, kept) -> None:
    visitor = searched(visit, kept)
    page = visitor.page
    page.goto(f"{kept.url}?q=red+jacket&like=5", wait_until="networkidle")
    page.click(".hit >> nth=0")
    decide(visitor, "same")
    (found,) = file_of(kept)["findings"]
    assert (found["query"], found["asked"]) == ("red jacket", "words and more")
    page.goto(f"{kept.url}?like=5", wait_until="networkidle")
    page.click(".hit >> nth=0")
    page.wait_for_selector("#detail-facts:has-text('add words to the search to decide')")
    assert page.locator("[data-verdict]").count() == 0


def test_back_closes_a_person_and_asks_nothing_again(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    visitor.ask("red jacket")
    visitor.ask("green shirt")
    page.click(".hit >> nth=0")
    page.wait_for_selector("#detail[open]")
    searches = [url for url in visitor.requests if url.endswith("v1/search")]
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    assert page.url.endswith("?q=green+shirt")
    page.click(".hit >> nth=1")
    page.click("#detail-close")
    page.wait_for_selector("#detail", state="hidden")
    assert [url for url in visitor.requests if url.endswith("v1/search")] == searches
    page.wait_for_timeout(100)  # closing takes its step in the history back
    page.go_back()
    page.wait_for_selector("#text")
    expect(page.locator("#text")).to_have_value("red jacket")


def walk(visitor, steps: int) -> None:
    """Search, open the best hit and walk on from there."""
    visitor.ask("red jacket")
    visitor.page.click(".hit >> nth=0")
    for _ in range(steps):
        visitor.page.keyboard.press("ArrowRight")


def test_who_walked_far_comes_back_to_the_last_one_seen(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    walk(visitor, 23)
    expect(page.locator("#detail-title")).to_have_text("Hit 24 of 24 shown")
    page.keyboard.press("Escape")
    last = page.locator(".hit >> nth=23")
    expect(last).to_be_focused()
    page.wait_for_timeout(300)
    expect(last).to_be_in_viewport()


def test_keys_act_on_the_person_shown_and_go_on_working(visit, kept) -> None:
    visitor = searched(visit, kept)
    page = visitor.page
    title = page.locator("#detail-title")
    page.click(".hit >> nth=0")
    page.keyboard.press("p")
    expect(page.locator("#detail [data-act=pin]")).to_have_attribute("aria-pressed", "true")
    page.click("#detail [data-act=pin]")
    page.click("#detail-title")  # a click on what takes no focus
    page.keyboard.press("j")
    expect(title).to_have_text("Hit 2 of 24 shown")
    page.keyboard.press("j")
    expect(title).to_have_text("Hit 3 of 24 shown")
    page.focus("text=Show what answers which words")
    page.keyboard.press("Enter")
    page.wait_for_selector("canvas.evidence", state="attached")
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text("Hit 2 of 24 shown")
    page.click(".strip-hit >> nth=0")
    expect(title).to_contain_text("Number ")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text("Hit 3 of 24 shown")
    page.click(".strip-hit >> nth=0")
    page.click("#detail-back")
    page.keyboard.press("k")
    expect(title).to_have_text("Hit 2 of 24 shown")
    liked = visitor.ids()[1]
    page.keyboard.press("+")
    page.wait_for_selector(".query-chip.is-like")
    expect(page.locator("#detail")).to_be_hidden()
    assert page.url.endswith(f"?q=red+jacket&like={liked}")


def test_choosing_a_case_first_leads_to_the_cases(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    visitor.ask("red jacket")
    page.click(".hit >> nth=0")
    page.click("#detail [data-act=pin]")
    page.click("#detail-toast >> text=Go to the cases")
    page.wait_for_selector("#case-form")
    assert page.url.endswith("?view=cases")
    assert not page.is_visible("#detail")


def test_a_table_keeps_the_mark_at_its_beginning(visit, kept, tmp_path) -> None:
    visitor = visit(kept)
    visitor.ask("red jacket")
    with visitor.page.expect_download() as table:
        visitor.page.click("text=Table (CSV)")
    table.value.save_as(tmp_path / "hits.csv")
    assert (tmp_path / "hits.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_who_walks_beyond_the_last_hit_gets_the_next_ones(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    walk(visitor, 24)
    expect(page.locator("#detail-title")).to_have_text("Hit 25 of 30 shown")
    assert page.get_attribute("#detail-next", "aria-disabled") == "false"
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-title")).to_have_text("Hit 30 of 30 shown")
    assert page.get_attribute("#detail-next", "aria-disabled") == "true"


def test_a_step_forward_to_somebody_who_was_closed_changes_nothing(visit, kept) -> None:
    visitor = visit(kept)
    page = visitor.page
    visitor.ask("red jacket")
    page.click(".hit >> nth=3")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    asked = visitor.searches
    page.go_forward()
    page.wait_for_timeout(300)
    assert not page.is_visible("#detail")
    page.click(".hit >> nth=1")
    expect(page.locator("#detail-title")).to_have_text("Hit 2 of 24 shown")
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    assert visitor.searches == asked
    assert page.url.endswith("?q=red+jacket")
