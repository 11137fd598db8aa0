"""The page in a real browser over the real service: what a person types, sees and presses."""

import re

import pytest

pytestmark = pytest.mark.browser


def test_a_search_ranks_people_and_shows_what_is_known(visit, filled):
    visitor = visit(filled)
    facts = r"30 images · 4 cameras · 1\s?–\s?2 May 2026"
    assert re.fullmatch(facts, visitor.page.text_content("#gallery-facts"))
    visitor.ask("red jacket")
    # cosines of word counts: 2/(√2·√4), 2/(√2·√5), 1/(√2·√4)
    assert visitor.ids()[:3] == [1, 2, 5]
    cards = visitor.page.query_selector_all(".hit")
    scores = [float(text) for text in visitor.texts(".score-number")[:3]]
    assert scores == pytest.approx([0.7071, 0.6325, 0.3536], abs=1e-3)
    assert [card.query_selector(".rank").text_content() for card in cards] == [str(n) for n in range(1, 25)]
    assert [card.query_selector(".where").text_content() for card in cards[:3]] == [
        "entrance",
        "hall",
        "No camera",
    ]
    assert re.fullmatch(r"1 May( 2026)?, 10:00:00", cards[0].query_selector(".when").text_content())  # Berlin
    assert cards[2].query_selector(".when").text_content() == "No time"
    assert (
        cards[0].query_selector("img").evaluate("image => image.decode().then(() => image.naturalHeight)")
        == 128
    )
    assert visitor.page.text_content("#status").startswith("The first 24 of 30 images · nearest first")
    assert "synthetic people" in visitor.page.text_content("#caveat")
    assert "not proof of identity" in visitor.page.text_content("footer")


def test_an_example_searches_at_once(visit, filled):
    visitor = visit(filled)
    visitor.page.click("text=A woman in a red jacket and black trousers")
    visitor.page.wait_for_selector(".hit")
    assert visitor.ids()[0] == 1
    assert visitor.page.text_content(".score-number") == "1.000"
    assert visitor.page.input_value("#text") == "A woman in a red jacket and black trousers"
    assert "?q=A+woman+in+a+red+jacket" in visitor.page.url


def test_cameras_and_times_restrict_the_search(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    visitor.ask("red jacket")
    page.click("#camera-menu summary")
    page.check("#cameras >> text=entrance")
    visitor.wait_for_hits(2)
    assert visitor.ids() == [1, 3]
    page.check("#cameras >> text=hall")
    visitor.wait_for_hits(3)
    assert page.text_content("#status").startswith("All 3 that pass the filters · from 30 images")
    assert page.text_content("#camera-choice") == "2 cameras"
    page.click("#time-menu summary")
    page.fill("#seen-from", "2026-05-01T11:00")  # Berlin: 09:00 UTC, inclusive
    page.fill("#seen-until", "2026-05-01T12:00")  # 10:00 UTC, exclusive
    page.click("text=Apply")
    visitor.wait_for_hits(1)
    assert visitor.ids() == [2]
    assert page.text_content("#status").startswith("The only one that passes the filters")
    assert "camera=entrance&camera=hall&from=2026-05-01T09%3A00%3A00.000Z" in page.url
    page.reload()
    page.wait_for_selector(".hit")
    assert visitor.ids() == [2]
    assert page.input_value("#seen-until") == "2026-05-01T12:00"
    page.click("text=Clear filters")
    visitor.wait_for_hits(24)
    assert page.url == f"{filled.url}?q=red+jacket"


def test_a_time_range_that_ends_before_it_begins_is_refused_on_the_page(visit, filled):
    visitor = visit(filled, "?q=red")
    asked = len(visitor.requests)
    visitor.page.click("#time-menu summary")
    visitor.page.fill("#seen-from", "2026-05-02T11:00")
    visitor.page.fill("#seen-until", "2026-05-01T11:00")
    visitor.page.click("text=Apply")
    assert visitor.page.is_visible("text=The end must be later than the beginning.")
    assert visitor.page.evaluate("document.activeElement.id") == "seen-until"
    assert not [url for url in visitor.requests[asked:] if "search" in url]


def test_everything_works_by_keyboard(visit, filled):
    visitor = visit(filled)
    page, press = visitor.page, visitor.page.keyboard.press
    page.evaluate("document.activeElement.blur()")
    press("/")
    page.keyboard.type("red jacket")
    press("Enter")
    page.wait_for_selector(".hit")
    press("ArrowDown")
    visitor.wait_for_focus(1)
    press("ArrowRight")
    press("j")
    visitor.wait_for_focus(5)
    press("k")
    columns = page.evaluate("getComputedStyle(grid).gridTemplateColumns.split(' ').length")
    press("ArrowDown")
    visitor.wait_for_focus(visitor.ids()[1 + columns])
    press("ArrowUp")
    press("Enter")
    assert page.is_visible("dialog#detail")
    assert page.text_content("#detail-title") == "Hit 2 of 24 shown"
    facts = page.inner_text("#detail-facts")
    for fact in (
        "0.63",
        "hall",
        "Fri, 1 May 2026, 11:00:00",
        "2026-05-01T09:00:00.000Z",
        "t2",
        "toy",
        "Carries",
    ):
        assert fact in facts
    press("ArrowRight")
    assert page.text_content("#detail-title") == "Hit 3 of 24 shown"
    press("ArrowLeft")
    press("k")
    press("k")
    assert page.text_content("#detail-title") == "Hit 1 of 24 shown"
    assert page.get_attribute("#detail-previous", "aria-disabled") == "true"
    press("Escape")
    assert not page.is_visible("dialog#detail")
    visitor.wait_for_focus(1)
    press("?")
    assert page.is_visible("dialog#keys")
    page.uncheck("#keys-on")
    press("Escape")
    press("j")
    visitor.wait_for_focus(1)  # single letters are switched off


def test_back_and_forward_walk_the_searches(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    visitor.ask("red jacket")
    visitor.ask("green shirt")
    visitor.wait_for_best(3)
    page.go_back()
    visitor.wait_for_best(1)
    assert page.input_value("#text") == "red jacket"
    page.go_back()
    page.wait_for_selector(".chip")
    assert visitor.ids() == []
    assert page.input_value("#text") == ""
    page.go_forward()
    page.wait_for_selector(".hit")
    assert visitor.ids()[0] == 1


def test_a_late_answer_never_replaces_a_newer_one(visit, filled):
    visitor = visit(filled)
    held = []
    visitor.page.route(
        "**/v1/search",
        lambda route: held.append(route) if "red" in route.request.post_data else route.continue_(),
    )
    visitor.submit("red jacket")
    visitor.page.wait_for_selector(".skeleton")
    visitor.ask("green shirt")
    for route in held:
        route.continue_()
    visitor.page.wait_for_timeout(200)
    assert len(held) == 1
    assert visitor.ids()[0] == 3
    assert visitor.page.input_value("#text") == "green shirt"


def test_cards_take_the_place_that_was_kept_for_them(visit, filled):
    visitor = visit(filled)
    held = []
    visitor.page.route("**/v1/search", lambda route: held.append(route))
    visitor.submit("red jacket")
    place = "Math.round(grid.querySelectorAll('li')[20].getBoundingClientRect().top)"
    visitor.page.wait_for_selector(".skeleton")
    before = visitor.page.evaluate(place)
    held[0].continue_()
    visitor.page.wait_for_selector(".hit")
    assert abs(visitor.page.evaluate(place) - before) <= 4


def test_more_hits_can_be_shown(visit, filled):
    visitor = visit(filled, "?q=red+jacket")
    visitor.page.focus("#more")
    visitor.page.keyboard.press("Enter")
    visitor.wait_for_hits(30)
    assert visitor.page.evaluate("document.activeElement.querySelector('.rank').textContent") == "25"
    assert not visitor.page.is_visible("#more")
