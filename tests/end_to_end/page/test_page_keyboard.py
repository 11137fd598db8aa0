"""The grid of hits as one tab stop, however far somebody scrolls, in a real browser."""

from collections.abc import Iterator

import pytest

from indexer.items import EmbeddedItem, GalleryItem
from tests.end_to_end.page.stage import Stage, drawing, open_stage

pytestmark = pytest.mark.browser
FIRST, FURTHER = 24, 200
FOCUSED = "document.activeElement.closest('#grid li')?.ariaPosInSet ?? document.activeElement.id"
STOPS = "[...grid.querySelectorAll('[tabindex=\"0\"]')].map((one) => one.closest('li').ariaPosInSet)"
SIZES = "[...new Set([...grid.children].map((one) => one.ariaSetSize))]"


@pytest.fixture(scope="module")
def crowded(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service over a thousand people who look alike."""
    with open_stage(tmp_path_factory.mktemp("crowd") / "gallery", people=False) as stage:
        vector, picture = stage.encoder.embed_texts(["red jacket"])[0], drawing("red")
        items = [GalleryItem(str(n), f"toy:{n}", "toy", camera="hall") for n in range(1000)]
        stage.writer.add([EmbeddedItem(item, vector, picture) for item in items])
        yield stage


def scroll_to_more(visitor) -> None:
    """Turn the wheel until more people are there."""
    visitor.page.mouse.move(600, 500)
    visitor.page.mouse.wheel(0, 3000)
    visitor.page.wait_for_selector(f"#status:has-text('{FIRST + FURTHER}')")


def test_tab_leaves_the_grid_and_loads_nothing(visit, crowded) -> None:
    visitor = visit(crowded, "?q=red+jacket", viewport={"width": 900, "height": 700})
    page, press = visitor.page, visitor.page.keyboard.press
    asked = visitor.searches
    page.press("#text", "ArrowDown")
    visitor.wait_for_focus(1)
    press("Tab")
    assert page.evaluate(FOCUSED) == "more"
    page.wait_for_timeout(300)  # time to load by itself, if it were to
    assert page.evaluate(FOCUSED) == "more"
    press("Shift+Tab")
    assert page.evaluate(FOCUSED) == "1"
    press("Tab")
    press("Tab")
    page.wait_for_timeout(300)
    assert visitor.searches == asked
    assert page.locator(".hit").count() == FIRST
    page.focus("#more")
    press("Enter")
    visitor.wait_for_focus(FIRST + 1)
    assert page.evaluate(SIZES) == [str(FIRST + FURTHER)]  # also of those that were there before


def test_who_scrolls_away_finds_a_tab_stop_there(visit, crowded) -> None:
    visitor = visit(crowded, "?q=red+jacket")
    page = visitor.page
    scroll_to_more(visitor)
    page.evaluate("scrollTo(0, 8000)")
    page.wait_for_selector("[data-id='1']", state="detached")
    (stop,) = page.evaluate(STOPS)
    box = page.locator(f"li[aria-posinset='{stop}']").bounding_box()
    assert 0 < box["y"] < 800
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_selector("[data-id='1'][tabindex='0']")  # who comes back is where they were
    assert page.evaluate(STOPS) == ["1"]


def test_a_focus_that_is_scrolled_out_stays_among_the_hits(visit, crowded) -> None:
    visitor = visit(crowded, "?q=red+jacket")
    page = visitor.page
    scroll_to_more(visitor)
    page.press("#text", "ArrowDown")
    visitor.wait_for_focus(1)
    page.evaluate("scrollTo(0, 8000)")
    page.wait_for_selector("[data-id='1']", state="detached")
    place = int(page.evaluate(FOCUSED))
    assert place > 60
    assert page.evaluate("scrollY") == 8000
    page.keyboard.press("j")
    visitor.wait_for_focus(place + 1)


def test_a_look_at_another_view_loses_no_place_and_no_word(visit, crowded) -> None:
    visitor = visit(crowded, "?q=red+jacket")
    page = visitor.page
    scroll_to_more(visitor)
    page.evaluate("scrollTo(0, 5000)")
    page.fill("#text", "half of a")
    searches = visitor.searches
    page.click("[data-nav=gallery]")
    page.wait_for_selector("#gallery-view:not([hidden])")
    page.click("[data-nav=search]")
    assert page.evaluate("scrollY") == 5000
    assert page.input_value("#text") == "half of a"
    page.click("[data-nav=gallery]")
    page.wait_for_selector("#gallery-view:not([hidden])")
    page.go_back()
    assert page.evaluate("scrollY") == 5000
    assert visitor.searches == searches
    assert page.title() == "red jacket · cskt"
