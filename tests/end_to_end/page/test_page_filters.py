"""Times and attributes as filters of a search, in a real browser."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.end_to_end.page.stage import open_stage

pytestmark = pytest.mark.browser


def times(visitor) -> tuple[list[str], list[str]]:
    """What the address says of times."""
    asked = parse_qs(urlsplit(visitor.page.url).query)
    return asked.get("from", []), asked.get("until", [])


def test_a_time_of_the_doubled_hour_stays_what_it_is(visit, filled):
    # In Berlin the clock shows 02:30 at 00:30 and at 01:30 UTC of 25 October 2026.
    for hour in ("00", "01"):
        begin = f"2026-10-25T{hour}:30:15.250Z"
        visitor = visit(filled, f"?q=red+jacket&from={begin}&until=2026-10-25T03:00:00.000Z")
        page = visitor.page
        page.check("#by-track")
        page.wait_for_selector("#message >> text=Nothing found")
        assert times(visitor) == ([begin], ["2026-10-25T03:00:00.000Z"])
        page.click("#time-menu summary")
        page.fill("#seen-until", "2026-10-25T05:00")  # 04:00 UTC
        page.click("text=Apply")
        page.wait_for_selector("#message >> text=Nothing found")
        assert times(visitor) == ([begin], ["2026-10-25T04:00:00.000Z"])  # what was edited, and no more


def test_the_timeline_says_what_its_bars_are(visit, filled):
    visitor = visit(filled, "?q=grey")
    visitor.page.click("#time-menu summary")
    visitor.page.wait_for_selector("#time-axis span")
    first, highest, last = visitor.texts("#time-axis span")
    assert first.startswith("1 May, 10:")  # Berlin
    assert last.startswith("2 May, 2") or last.startswith("3 May, 0")
    assert highest == "highest: 2"
    assert "Drag over the bars" in visitor.page.inner_text("#time-hint")


def test_one_of_many_attributes_is_looked_for(visit, browser, tmp_path):
    with open_stage(tmp_path / "gallery", people=True) as stage:
        for number in range(16):
            stage.add("red jacket", None, None, {"shoes": f"kind {number}", "hat": "cap"})
        visitor = visit(stage, "?q=red+jacket")
        page = visitor.page
        page.click("#facts-menu summary")
        page.fill("#facts-find", "kind 7")
        assert page.locator("#facts .choice:visible").count() == 1
        page.press("#facts-find", "Enter")  # it only narrows the list
        page.fill("#facts-find", "hat")
        assert page.locator("#facts legend:visible").all_text_contents() == ["Hat"]
        page.check("#facts input[value=cap]")
        visitor.wait_for_hits(16)
        assert page.locator("#facts legend:visible").all_text_contents() == ["Hat"]


def test_what_is_not_understood_of_an_address_is_said(visit, filled):
    visitor = visit(filled, "?q=red+jacket&camra=hall&from=yesterday&like=2&like=x&camera=hall&camera=hall")
    visitor.page.wait_for_selector(".hit")
    notice = visitor.page.inner_text(".notice >> text=not understood")
    assert "asks for camra=hall, from=yesterday, like=x:" in notice
    visitor.page.goto(filled.url + "?Q=red+jacket&q=&camera=")
    visitor.page.wait_for_selector(".notice >> text=asks for Q=red jacket:")
    visitor.page.goto(filled.url + "?q=red+jacket&q=blue+shirt&camera=")
    visitor.page.wait_for_selector(".notice >> text=asks for q=blue shirt:")
    visitor.page.wait_for_selector(".hit")
    visitor.page.goto(filled.url + "?q=red+jacket&from=2026-05-01T08:00Z&camera=hall&is.carries=backpack")
    visitor.page.wait_for_selector(".hit")
    assert not visitor.page.is_visible("text=not understood")


def test_attributes_may_have_the_names_of_what_every_object_has(visit, browser, tmp_path):
    names = ("constructor", "__proto__", "toString")
    with open_stage(tmp_path / "gallery", people=False) as stage:
        stage.add("red jacket", "hall", "2026-05-01T08:00:00.000Z", dict.fromkeys(names, "yes"))
        stage.add("red jacket", "hall", "2026-05-01T09:00:00.000Z", {})
        visitor = visit(stage, "?q=red+jacket")
        page = visitor.page
        visitor.wait_for_hits(2)
        page.click("#facts-menu summary")
        page.check("#facts input[name=__proto__]")
        visitor.wait_for_hits(1)
        assert page.url.endswith("is.__proto__=yes")
        page.goto(f"{stage.url}?q=red+jacket&{'&'.join(f'is.{name}=yes' for name in names)}")
        visitor.wait_for_hits(1)
        assert page.locator("#facts input:checked").count() == 3


def test_what_is_long_breaks_on_a_phone(visit, filled):
    visitor = visit(filled, f"?q=red&x={'long' * 200}", viewport={"width": 360, "height": 740})
    visitor.page.wait_for_selector(".notice >> text=not understood")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 360


def test_an_attribute_that_nobody_has_is_said_above_the_empty_answer(visit, browser, tmp_path):
    with open_stage(tmp_path / "gallery", people=True) as stage:
        stage.add("red jacket", None, None, {"shoes": "boots"})
        visitor = visit(stage, "?q=red+jacket&is.shoe=boots")
        visitor.page.wait_for_selector("#message >> text=Nothing found")
        said = visitor.texts("#notices .notice")
        assert any(
            line.startswith("No item has the attribute shoe; what there is to filter by: shoes")
            for line in said
        )
        visitor.page.click("text=Search without filters")
        visitor.page.wait_for_selector(".hit")
        assert visitor.texts("#notices .notice >> text=No item has") == []
