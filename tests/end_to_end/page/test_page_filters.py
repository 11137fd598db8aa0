"""The head of the page over the hits, in a real browser: its lines hold, its menus say what they are."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.page.stage import Stage, open_stage

pytestmark = pytest.mark.browser


@pytest.fixture
def described(browser, tmp_path: Path) -> Iterator[Stage]:
    """A service over one person with many attributes."""
    with open_stage(tmp_path / "gallery", people=False) as stage:
        facts = {"upper_colour": "red", "lower_colour": "blue", "bag": "red backpack", "age": "adult"}
        stage.add("red jacket", "hall", None, facts | {"hair": "long", "shoes": "boots", "hat": "none"})
        yield stage


def lines(page, selector: str) -> int:
    """On how many lines the visible parts stand: their tops, grouped by those that overlap."""
    boxes = sorted(
        (box["y"], box["y"] + box["height"])
        for part in page.locator(f"{selector} > *").all()
        if (box := part.bounding_box())
    )
    count, bottom = 0, 0.0
    for top, end in boxes:
        count += top >= bottom
        bottom = max(bottom, end)
    return count


@pytest.mark.parametrize("width", [1024, 1280, 1440])
def test_views_and_filters_stay_on_one_line(visit, casework, width: int) -> None:
    visitor = visit(casework.stage, viewport={"width": width, "height": 800})
    page = visitor.page
    page.fill("#signin-form [name=key]", casework.keys["one"])
    page.click("#signin-form button")
    page.select_option("#choice-case", "case-7")
    page.fill("#choice-form [name=purpose]", "a report")
    page.click("#choice-form >> text=Work on this case")
    page.wait_for_selector("#case-now")
    visitor.ask("red jacket")
    assert page.is_visible("#sign-out")
    assert (lines(page, ".views"), lines(page, ".filters")) == (1, 1)
    before = page.locator("#facts-menu").bounding_box()
    page.check("#by-track")
    page.wait_for_selector("#status:has-text('passages')")
    assert page.locator("#facts-menu").bounding_box() == before
    visitor.expect_failed_request()  # before signing in


def test_an_attribute_is_found_among_many(visit, described) -> None:
    visitor = visit(described, "?q=red+jacket")
    page = visitor.page
    page.click("#facts-menu summary")
    page.fill("#facts-find", "RED")
    shown = page.locator("#facts .choice:visible").all_text_contents()
    assert [re.sub(r"\d+$", "", text) for text in shown] == ["red backpack", "red"]
    page.fill("#facts-find", "lower")
    assert page.locator("#facts legend:visible").all_text_contents() == ["Lower colour"]
    page.press("#facts-find", "Enter")  # does not send the form
    assert page.is_visible("#facts-find")
    page.check("#facts input[value=blue]")
    visitor.wait_for_hits(1)
    page.wait_for_url("**is.lower_colour=blue")


def test_few_attributes_need_no_field(visit, filled) -> None:
    visitor = visit(filled, "?q=red")
    visitor.page.click("#facts-menu summary")
    assert not visitor.page.is_visible("#facts-find")


def test_a_search_for_nothing_says_what_to_type(visit, filled) -> None:
    visitor = visit(filled)
    visitor.submit("  ")
    visitor.page.wait_for_selector("#toast:has-text('Type what the person looks like.')")
    assert not [url for url in visitor.requests if "/v1/search" in url]


def test_a_bare_number_says_that_it_is_a_similarity(visit, filled) -> None:
    visitor = visit(filled, "?q=red+jacket")
    assert visitor.texts(".score")[0] == "similarity0.707"


def test_the_bars_say_what_they_are(visit, filled) -> None:
    visitor = visit(filled, "?q=red")
    visitor.page.click("#time-menu summary")
    visitor.page.wait_for_selector(".time-bar")
    hint = "The highest bar: 2. Drag over the bars to choose a time."
    assert visitor.texts("#histogram-scale span") == ["1 May, 10:00", "2 May, 22:00", hint]
