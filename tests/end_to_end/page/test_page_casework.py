"""Casework on the page, in a real browser: who signs in works for the case chosen, and for no other."""

import httpx
import pytest
from playwright.sync_api import expect

from service.casework.cases import CaseStore
from tests.end_to_end.page.accessible import violations
from tests.end_to_end.page.case_steps import choose_case, pin, show_key, sign_in

pytestmark = pytest.mark.browser
PICTURE = "cskt.picture.0123456789abcdef"


def records(casework) -> list[dict]:
    """The audit log, the oldest first."""
    shown = {"Authorization": f"Bearer {casework.keys['auditor']}"}
    told = httpx.get(f"{casework.stage.url}v1/audit", params={"limit": 1000}, headers=shown).json()
    return sorted(told["records"], key=lambda record: record["seq"])


def decide_elsewhere(casework, name: str, item: int) -> None:
    """Another person says `same` of a row."""
    why = {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"}
    httpx.post(
        f"{casework.stage.url}v1/cases/case-7/entries",
        json={"kind": "decision", "item": item, "query": "red jacket", "verdict": "same"},
        headers={"Authorization": f"Bearer {casework.keys[name]}"} | why,
    ).raise_for_status()


def test_who_signs_in_next_works_for_his_own_case(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"], "case-7")
    visitor.ask("red jacket")
    page.evaluate("name => sessionStorage.setItem(name, 'data:image/jpeg;base64,AAAA')", PICTURE)
    page.evaluate("sessionStorage.setItem('cskt.case', 'case-7')")
    page.click("#sign-out")
    page.wait_for_selector("#signin[open]")
    assert page.url == casework.stage.url
    assert page.evaluate("Object.keys(sessionStorage)") == []
    visitor.troubles.clear()  # 401s
    page.evaluate("sessionStorage.setItem('cskt.case', 'case-7')")  # as an older version would have left it

    sign_in(visitor, casework.keys["other"], "case-8")
    expect(page.locator("#case-name")).to_have_text("case-8")
    assert visitor.ids() == []
    page.evaluate("sessionStorage.setItem('cskt.case', 'case-7')")  # a header that says otherwise is not read
    visitor.ask("green shirt")
    page.wait_for_load_state("networkidle")
    found = {(one["name"], one["case"], one["action"]) for one in records(casework) if one.get("case")}
    assert found >= {("one", "case-7", "search"), ("one", "case-7", "view")}
    assert found >= {("other", "case-8", "search"), ("other", "case-8", "view")}
    assert {(name, case) for name, case, _ in found} == {("one", "case-7"), ("other", "case-8")}
    searched = [(one["name"], one["words"]) for one in records(casework) if one["action"] == "search"]
    assert searched == [("one", "red jacket"), ("other", "green shirt")]


def test_a_case_is_asked_for_until_one_is_chosen(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    show_key(visitor, casework.keys["one"])
    page.wait_for_selector("#choice[open] option[value=case-8]", state="attached")
    page.click("#choice-form >> text=Work on this case")  # without a case
    page.select_option("#choice-case", "case-7")
    page.click("#choice-form >> text=Work on this case")  # without a purpose
    assert page.is_visible("#choice")
    page.fill("#choice-form [name=purpose]", "...")
    page.click("#choice-form >> text=Work on this case")
    expect(page.locator("#choice-problem")).to_contain_text("The purpose is too short")
    page.click("#choice-later")
    visitor.submit("red jacket")
    page.wait_for_selector("#message:has-text('For which case?')")
    assert "Cskt-" not in page.inner_text("body")
    visitor.expect_failed_request()  # 403, twice
    page.click("#message >> text=Choose a case")
    choose_case(visitor, "case-7")
    visitor.wait_for_hits(24)  # what was asked for is asked for again
    page.reload(wait_until="networkidle")
    expect(page.locator("#case-name")).to_have_text("case-7")
    assert not page.is_visible("#choice")


def test_two_cases_are_switched_and_the_search_of_one_is_not_rerun_for_the_other(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"], "case-7")
    visitor.ask("red jacket")
    pin(visitor, 2)
    page.wait_for_selector("#toast:has-text('Number 2 is pinned to the case case-7.')")
    page.click("[data-nav=cases]")
    page.wait_for_selector("#case-title:has-text('Case case-7')")  # the one that is worked on is open
    page.click(".case-row a:has-text('case-8')")
    page.wait_for_selector("#case-trouble:has-text('open to whoever works on the case')")
    assert visitor.texts(".case-row a") == ["case-8", "case-7"]  # the list stays
    page.click("[aria-label='Work on this case: case-8']")
    choose_case(visitor, "case-8", "another theft")
    page.wait_for_selector("#case-title:has-text('Case case-8')")
    assert page.inner_text(".case-row:has(.tag) a") == "case-8"
    page.click("[data-nav=search]")
    page.wait_for_selector("body[data-view=start]")
    visitor.ask("red jacket")
    assert page.get_attribute("li:has(> [data-id='2']) [data-action=pin]", "aria-pressed") == "false"
    searched = [(one["case"], one["purpose"]) for one in records(casework) if one["action"] == "search"]
    assert searched == [("case-7", "a missing child"), ("case-8", "another theft")]


def test_an_admin_opens_and_closes_cases_and_sees_no_files(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    show_key(visitor, casework.keys["admin"])
    assert not page.is_visible("#choice")
    page.click("[data-nav=cases]")
    page.click(".case-row a:has-text('case-7')")
    page.wait_for_selector("#case-trouble:has-text('keys with the scope search')")
    page.fill("#case-form [name=id]", "case-9")
    page.fill("#case-form [name=basis]", "report 9/26")
    page.click("text=Open the case")
    page.wait_for_selector("#cases-told:has-text('The case case-9 is open.')")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("[aria-label='Close the case: case-7']")
    page.wait_for_selector(
        "#cases-told:has-text('The case case-7 is closed: nobody is shown for it any more.')"
    )
    expect(page.locator(".case-row a")).to_have_text(["case-9", "case-8"])
    assert {case.id for case in CaseStore(casework.state).all() if case.closed} == {"case-7"}
    assert page.locator("text=Work on this case").count() == 1  # in the dialog alone, which is closed
    assert visitor.troubles == []  # nothing was asked for that is refused


def test_a_case_is_left_when_it_is_closed_and_not_when_something_fails_for_once(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"], "case-7")
    page.route("**/v1/cases/case-7?*", lambda route: route.fulfill(status=503, json={"detail": "Starting."}))
    page.reload(wait_until="networkidle")
    expect(page.locator("#case-name")).to_have_text("case-7")
    visitor.expect_failed_request()
    page.unroute("**/v1/cases/case-7?*")
    CaseStore(casework.state).end("case-7")
    page.wait_for_timeout(1100)  # a service may go on for half a second with what it knew
    page.goto(f"{casework.stage.url}?view=gallery", wait_until="networkidle")
    page.wait_for_selector(
        "#toast:has-text('The case case-7 is not open to you any more.')", state="attached"
    )
    page.wait_for_selector("#choice[open] option[value=case-8]", state="attached")
    assert not page.is_visible("#case-now")
    visitor.expect_failed_request()


def test_who_has_no_open_case_is_told_whom_to_ask(visit, casework) -> None:
    for id in ("case-7", "case-8"):
        CaseStore(casework.state).end(id)
    visitor = visit(casework.stage)
    page = visitor.page
    show_key(visitor, casework.keys["one"])
    page.wait_for_selector("#choice-problem:has-text('Ask whoever opens cases')")
    assert page.is_disabled("#choice-form [name=purpose]")
    page.click("#choice-later")
    page.click("[data-nav=cases]")
    page.wait_for_selector("text=No open case")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_to_mend_in_casework(visit, casework, width: int, scheme: str) -> None:
    size = {"width": width, "height": 800}
    visitor = visit(casework.stage, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    page = visitor.page
    page.wait_for_selector("#signin[open]")
    page.fill("#signin-form [name=key]", "wrong")
    page.press("#signin-form [name=key]", "Enter")
    expect(page.locator("#signin-problem")).to_contain_text("or it has expired or been revoked")
    found = {"sign in": violations(page)}
    show_key(visitor, casework.keys["one"])
    page.wait_for_selector("#choice-case option[value=case-7]", state="attached")
    found["choice"] = violations(page)
    page.click("#choice-later")
    visitor.submit("red jacket")
    page.wait_for_selector("#message >> text=Choose a case")
    found["refused"] = violations(page)
    page.click("#message >> text=Choose a case")
    choose_case(visitor, "case-7")
    visitor.wait_for_hits(24)
    decide_elsewhere(casework, "other", item=2)
    page.click("[data-nav=cases]")
    page.wait_for_selector("text=Look for yourself")
    found["own case"] = violations(page)
    page.click(".case-row a:has-text('case-8')")
    page.wait_for_selector("#case-trouble:has-text('In casework')")
    found["other case"] = violations(page)
    assert found == {name: [] for name in found}
    visitor.troubles.clear()  # 401 and 403


def test_who_stands_beside_somebody_is_shown_when_asked_for(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"])
    visitor.ask("red jacket")
    page.click(".hit >> nth=0")
    page.wait_for_selector("#detail[open]")
    page.wait_for_load_state("networkidle")
    assert not [url for url in visitor.requests if "neighbours" in url]
    page.click("text=Show: look alike")
    page.wait_for_selector(".strip-hit")


def test_what_is_withheld_from_some_cameras_is_not_called_nothing(visit, casework) -> None:
    CaseStore(casework.state).begin("narrow", "report", "2999-01-01T00:00:00.000Z", cameras=["entrance"])
    visitor = visit(casework.stage)
    sign_in(visitor, casework.keys["one"], "narrow")
    visitor.page.click("[data-nav=gallery]")
    visitor.page.wait_for_selector("#gallery-list dt:has-text('Images')")
    assert not {"Rejected files", "Last indexed", "Seen"} & set(
        visitor.page.locator("#gallery-list dt").all_inner_texts()
    )


def test_more_people_come_by_few_and_it_is_said_how_many_are_left(visit, scarce) -> None:
    visitor = visit(scarce.stage)
    page = visitor.page
    sign_in(visitor, scarce.keys["one"])
    visitor.ask("red jacket")
    expect(page.locator("#people-left")).to_have_text("Your key may be shown 2 further people today.")
    assert "2 new people left for your key today" in page.inner_text("#status")
    page.click("#more")
    visitor.wait_for_hits(26)
    expect(page.locator("#people-left")).to_have_text("Your key may be shown 0 further people today.")
    page.click("#more")
    page.wait_for_selector("#toast:has-text('has 0 left until midnight UTC')")
    visitor.expect_failed_request()
    ids = visitor.ids()
    assert len(ids) == 26
    page.reload(wait_until="networkidle")
    visitor.wait_for_hits(24)
    assert visitor.ids() == ids[:24]  # who was shown today may be shown again


def test_who_is_in_the_file_counts_as_shown_when_the_file_is_looked_at_and_not_before(
    visit, casework
) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"])
    visitor.ask("red jacket")
    pin(visitor, 2)
    page.wait_for_selector("#toast:has-text('Number 2 is pinned')")
    page.goto(casework.stage.url, wait_until="networkidle")
    shown = [one["shown"] for one in records(casework) if one["action"].startswith("case view")]
    assert shown
    assert not any(shown)
    page.click("[data-nav=cases]")
    page.wait_for_selector(".person-open img")
    assert [2] in [one["shown"] for one in records(casework) if one["action"] == "case view"]


def test_who_may_see_no_camera_that_is_there_is_not_told_the_gallery_is_empty(visit, casework) -> None:
    CaseStore(casework.state).begin("typo", "report", "2999-01-01T00:00:00.000Z", cameras=["entrence"])
    visitor = visit(casework.stage)
    sign_in(visitor, casework.keys["one"], "typo")
    visitor.submit("red jacket")
    visitor.page.wait_for_selector("#message:has-text('No image is open to you')")
    assert "sees entrence only" in visitor.page.inner_text("#who")
