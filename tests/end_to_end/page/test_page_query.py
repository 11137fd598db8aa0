"""All that a search can ask for on the page, in a real browser: more like this, pictures, attributes."""

import base64
import csv
import io
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.end_to_end.page.stage import HOSTILE, drawing

pytestmark = pytest.mark.browser


def asked(visitor) -> dict[str, list[str]]:
    """What the address says."""
    return parse_qs(urlsplit(visitor.page.url).query)


def act(visitor, id: int, action: str) -> None:
    """Press one of the small buttons of a hit."""
    card = visitor.page.locator(f"li:has(> [data-id='{id}'])")
    card.hover()
    card.locator(f"[data-action={action}]").click()


def settled(visitor) -> None:
    """Wait until a ranking is there."""
    visitor.page.wait_for_selector("#grid:not([aria-busy]) .hit")


def test_the_helper_writes_a_sentence(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    page.click("#describe-menu summary")
    for name, choice in [
        ("person", "a woman"),
        ("hairLength", "long"),
        ("hairColour", "brown"),
        ("topColour", "red"),
        ("top", "jacket"),
        ("bottom", "trousers"),
        ("bagColour", "orange"),
        ("bag", "umbrella"),
        ("head", "hat"),
    ]:
        page.select_option(f"[name={name}]", choice)
    wanted = (
        "a woman with long brown hair, wearing a red jacket, trousers and a hat, carrying an orange umbrella"
    )
    assert page.input_value("#text") == wanted
    page.click("#describe >> text=Search")
    settled(visitor)
    assert asked(visitor)["q"] == [wanted]
    assert not page.is_visible("#describe")
    page.click("#describe-menu summary")
    page.click("text=Start again")
    assert page.input_value("#text") == ""
    page.select_option("[name=topColour]", "green")
    assert page.input_value("#text") == "a person wearing a green top"


def test_the_helper_keeps_what_somebody_typed(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    page.fill("#text", "tall, limping")
    page.click("#describe-menu summary")
    page.select_option("[name=topColour]", "red")
    assert page.input_value("#text") == "tall, limping, a person wearing a red top"
    page.select_option("[name=top]", "jacket")
    page.fill("#text", page.input_value("#text") + " in a hurry")
    page.click("#describe-menu summary")
    page.select_option("[name=person]", "a man")
    assert page.input_value("#text") == "tall, limping, a man wearing a red jacket in a hurry"
    page.click("text=Start again")
    assert page.input_value("#text") == "tall, limping in a hurry"


def test_a_search_of_sixteen_parts_takes_no_more(visit, filled):
    parts = "&".join(f"not={id}" for id in range(11, 26))
    visitor = visit(filled, f"?q=red+jacket&{parts}")
    act(visitor, 5, "not")
    visitor.page.wait_for_selector("#toast:has-text('A search takes 16 parts at most')")
    assert visitor.page.locator(".query-chip").count() == 15
    assert 5 in visitor.ids()
    visitor.page.click("[aria-label='Remove not like number 11']")
    visitor.page.wait_for_selector("[aria-label='Remove not like number 11']", state="detached")
    settled(visitor)
    act(visitor, 5, "not")
    visitor.page.wait_for_selector("[aria-label='Remove not like number 5']")
    settled(visitor)
    assert 5 not in visitor.ids()


def test_more_and_not_like_this_move_the_query_and_can_be_taken_off(visit, filled):
    visitor = visit(filled)
    visitor.ask("red")
    before = visitor.ids()
    act(visitor, 5, "like")  # white shirt, red skirt
    visitor.wait_for_best(5)
    act(visitor, 1, "not")
    visitor.page.wait_for_selector(".query-chip.is-not")
    settled(visitor)
    assert asked(visitor) == {"q": ["red"], "like": ["5"], "not": ["1"]}
    assert 1 not in visitor.ids()  # nobody wants to see again who was turned down
    assert visitor.ids()[:2] == [5, 3]  # the white skirt comes before the red jacket now
    visitor.page.reload(wait_until="networkidle")
    settled(visitor)
    assert visitor.ids()[:2] == [5, 3]
    visitor.page.go_back()
    visitor.page.wait_for_selector(".query-chip.is-not", state="detached")
    settled(visitor)
    assert 1 in visitor.ids()
    visitor.page.click("#clear")
    visitor.page.press("#text", "Enter")  # without the words, only somebody like that
    visitor.wait_for_best(5)
    assert asked(visitor) == {"like": ["5"]}
    visitor.page.go_back()
    visitor.wait_for_best(5)
    visitor.page.click("[aria-label='Remove more like number 5']")
    visitor.wait_for_best(before[0])
    assert asked(visitor) == {"q": ["red"]}


def test_the_keyboard_marks_too(visit, filled):
    visitor = visit(filled)
    visitor.ask("red jacket")
    visitor.page.press("#text", "ArrowDown")
    visitor.wait_for_focus(1)
    visitor.page.keyboard.press("+")
    visitor.page.wait_for_selector(".query-chip.is-like")
    assert asked(visitor)["like"] == ["1"]
    settled(visitor)
    visitor.wait_for_focus(1)  # and who walked the hits goes on walking them
    visitor.page.keyboard.press("j")
    visitor.page.keyboard.press("-")
    visitor.page.wait_for_selector(".query-chip.is-not")
    assert asked(visitor)["not"] == ["2"]


def test_a_picture_is_a_query_and_stays_out_of_the_address(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data) if "v1/search" in request.url else 0)
    page.set_input_files(
        "#picture-file", {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": drawing("green white")}
    )
    page.wait_for_selector(".query-chip.is-picture")
    settled(visitor)
    (name,) = asked(visitor)["picture"]
    assert re.fullmatch(r"[0-9a-f]{16}", name)
    sent = base64.b64decode(re.search(r'"image":"([^"]+)"', bodies[-1]).group(1))
    assert sent[:2] == b"\xff\xd8"
    assert b"Exif" not in sent
    page.reload(wait_until="networkidle")
    settled(visitor)  # this tab still has it
    elsewhere = visit(filled, f"?picture={name}")
    assert "The picture is not here" in elsewhere.page.inner_text("#message")
    page.click("[aria-label='Remove your picture']")
    page.wait_for_selector(".examples")
    assert asked(visitor) == {}


def test_what_is_no_picture_is_told(visit, filled):
    visitor = visit(filled)
    visitor.page.set_input_files(
        "#picture-file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    )
    visitor.page.wait_for_selector("#toast:has-text('no picture that the browser can read')")
    assert asked(visitor) == {}


def test_attributes_of_the_gallery_restrict_the_search(visit, filled):
    visitor = visit(filled)
    page = visitor.page
    visitor.ask("red jacket")
    page.click("#facts-menu summary")
    page.check("#facts input[value=backpack]")
    visitor.wait_for_hits(1)
    assert visitor.ids() == [2]
    assert page.text_content("#facts-choice") == "Carries: backpack"
    page.check("#facts input[value=nothing]")
    visitor.wait_for_hits(2)
    assert set(asked(visitor)["is.carries"]) == {"backpack", "nothing"}
    page.reload(wait_until="networkidle")
    visitor.wait_for_hits(2)
    hostile = urlencode({"q": "red", f"is.{HOSTILE}": HOSTILE})
    page.goto(f"{filled.url}?{hostile}", wait_until="networkidle")
    assert visitor.ids() == [6]
    page.click("text=Clear filters")
    visitor.wait_for_hits(24)


def test_the_timeline_is_brushed(visit, filled):
    visitor = visit(filled, "?q=grey")
    page = visitor.page
    page.click("#time-menu summary")
    page.wait_for_selector(".time-bar")
    assert "images from" in page.get_attribute("#histogram", "aria-label")
    box = page.locator("#histogram").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.01, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20, steps=5)
    page.mouse.up()
    assert page.locator(".time-bar.outside").count() > 10
    page.click("text=Apply")
    visitor.page.wait_for_selector("#grid:not([aria-busy])")
    assert set(asked(visitor)) == {"q", "from", "until"}
    visitor.wait_for_hits(3)  # those of the first of May
    assert set(visitor.ids()) == {1, 2, 3}


def test_passages_stand_for_their_crops(visit, grouped):
    visitor = visit(grouped, "?q=red+jacket")
    visitor.wait_for_hits(5)
    visitor.page.check("#by-track")
    visitor.wait_for_hits(3)
    assert visitor.texts(".others") == ["+2"]
    assert asked(visitor)["by"] == ["track"]
    assert visitor.page.text_content("#status").startswith("All 3 passages")
    visitor.page.click(".hit >> nth=0")
    visitor.page.wait_for_selector(".strip >> text=The rest of this passage")
    strip = visitor.page.locator(".strip", has_text="The rest of this passage").locator(".strip-hit")
    assert strip.count() == 2
    strip.first.click()
    assert visitor.page.text_content("#detail-title").startswith("Number ")
    visitor.page.click("text=Back to the hit")
    assert visitor.page.text_content("#detail-title") == "Hit 1 of 3 shown"


def test_hits_are_taken_along(visit, filled, tmp_path):
    visitor = visit(filled, "?q=red+jacket&camera=entrance&camera=hall")
    with visitor.page.expect_download() as table:
        visitor.page.click("text=Table (CSV)")
    rows = list(csv.DictReader(io.StringIO(table.value.path().read_text("utf-8-sig"))))
    assert [int(row["id"]) for row in rows] == visitor.ids() == [1, 2, 3]
    visitor.page.wait_for_selector("#toast:has-text('The file holds all 3 shown.')")
    with visitor.page.expect_download() as sheet:
        visitor.page.click("text=Contact sheet")
    page = visitor.page.context.new_page()
    sheet.value.save_as(tmp_path / "sheet.html")
    page.goto((tmp_path / "sheet.html").as_uri())
    assert page.locator(".people img").count() == 3
    assert "red jacket" in page.inner_text("dl")


def test_what_is_typed_goes_along_when_a_filter_is_chosen(visit, filled):
    visitor = visit(filled)
    visitor.page.fill("#text", "red jacket")
    visitor.page.click("summary:has-text('All cameras')")
    visitor.page.check("#cameras input >> nth=0")
    settled(visitor)
    assert asked(visitor)["q"] == ["red jacket"]
    assert visitor.page.input_value("#text") == "red jacket"
    visitor.page.fill("#text", "green shirt")
    visitor.page.check("#by-track")
    settled(visitor)
    assert asked(visitor)["q"] == ["green shirt"]


def test_what_was_done_in_a_view_is_not_done_again_by_back(visit, filled):
    visitor = visit(filled)
    visitor.ask("red jacket")
    visitor.page.click(".hit >> nth=1")
    visitor.page.click("#detail >> text=More like this")
    visitor.page.wait_for_selector(".query-chip.is-like")
    settled(visitor)
    visitor.page.click("#chips .chip-remove")
    settled(visitor)
    assert visitor.page.evaluate("document.activeElement.id") == "results"  # not lost with the button
    before = visitor.searches
    visitor.page.click(".hit >> nth=0")
    visitor.page.wait_for_selector("#detail[open]")
    visitor.page.go_back()
    visitor.page.wait_for_selector("#detail", state="hidden")
    settled(visitor)
    assert asked(visitor) == {"q": ["red jacket"]}
    assert visitor.searches == before
