"""The page when things are unusual: failures, nothing to show, hostile names, small screens, both schemes."""

import pytest

from tests.end_to_end.page.accessible import violations
from tests.end_to_end.page.stage import HOSTILE

pytestmark = pytest.mark.browser

WIDTH = "Math.max(document.documentElement.scrollWidth, detail.open ? detail.scrollWidth : 0)"
CONTRASTS = """() => {
  const parse = (text) => (text.match(/[0-9.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return null;
  };
  const rows = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || box.width < 2 || !node.checkVisibility()) continue;
    if (node.closest(".rank, .unseen, noscript, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    rows.push([node.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return rows;
}"""


def test_a_failure_is_told_and_can_be_retried(visit, filled):
    visitor = visit(filled)
    filled.encoder.broken = True
    try:
        visitor.submit("red jacket")
        visitor.page.wait_for_selector("#retry")
    finally:
        filled.encoder.broken = False
    assert "The search failed" in visitor.page.inner_text("#message [role=alert]")
    assert "The service failed on this query" in visitor.page.inner_text("#message [role=alert]")
    assert visitor.ids() == []
    visitor.page.click("#retry")
    visitor.page.wait_for_selector(".hit")
    assert visitor.ids()[0] == 1
    visitor.expect_failed_request()


def test_a_refused_query_shows_the_reason_without_a_retry(visit, filled):
    visitor = visit(filled, "?q=!!!")
    assert "must hold letters or digits" in visitor.page.inner_text("#message [role=alert]")
    assert visitor.page.query_selector("#retry") is None
    visitor.expect_failed_request()


def test_a_lost_connection_is_told_and_the_search_resumes(visit, filled):
    visitor = visit(filled)
    visitor.page.context.set_offline(True)
    visitor.submit("red jacket")
    visitor.page.wait_for_selector("text=The service cannot be reached")
    visitor.page.context.set_offline(False)
    visitor.page.wait_for_selector(".hit")
    visitor.expect_failed_request()


def test_hits_outlast_a_lost_connection(visit, filled):
    visitor = visit(filled, "?q=red+jacket")
    before = visitor.ids()
    visitor.page.context.set_offline(True)
    visitor.submit("green shirt")
    visitor.page.wait_for_selector("#notices [role=alert]:has-text('The service cannot be reached')")
    assert visitor.ids() == before
    assert visitor.page.text_content("#status") == "The hits of the search before"
    assert not visitor.page.is_visible("#take")  # a file of the new search would not hold these
    assert not visitor.page.is_visible("#message")
    visitor.page.context.set_offline(False)
    visitor.wait_for_best(3)
    assert visitor.page.inner_text("#notices") == ""
    visitor.expect_failed_request()


def test_a_starting_service_is_asked_again_by_itself(visit, filled):
    visitor = visit(filled)
    answers = iter([{"status": 503, "headers": {"retry-after": "0.1"}, "json": {"detail": "Starting."}}])
    visitor.page.route(
        "**/v1/search", lambda route: route.fulfill(**a) if (a := next(answers, None)) else route.continue_()
    )
    visitor.ask("red jacket")
    assert visitor.ids()[0] == 1
    visitor.expect_failed_request()


def test_nothing_found_offers_to_drop_the_filters(visit, filled):
    visitor = visit(filled, "?q=red+jacket&camera=Nowhere")
    assert "Nothing found" in visitor.page.inner_text("#message")
    assert visitor.page.text_content("#status") == "Nothing found."
    visitor.page.click("text=Search without filters")
    visitor.page.wait_for_selector(".hit")
    assert visitor.ids()[0] == 1


def test_hostile_names_are_only_text(visit, filled):
    visitor = visit(filled)
    visitor.ask("black skirt")
    assert visitor.page.text_content(".where") == HOSTILE
    visitor.page.click(".hit")
    assert visitor.page.inner_text("#detail-facts").count("<script>window.pwned=1</script>") == 3
    visitor.page.keyboard.press("Escape")
    visitor.page.click("#camera-menu summary")
    visitor.page.check("#cameras input >> nth=0")
    visitor.wait_for_hits(1)
    assert visitor.page.text_content("#camera-choice") == HOSTILE
    visitor.page.goto(f"{filled.url}?q=red{HOSTILE}&camera={HOSTILE}", wait_until="networkidle")
    assert visitor.page.title() == f"red{HOSTILE} · cskt"
    assert visitor.page.evaluate("window.pwned") is None
    assert visitor.page.query_selector("img[src=x]") is None


def test_a_phone_needs_no_sideways_scrolling(visit, filled):
    visitor = visit(filled, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = visitor.page
    filters = "camera=entrance&camera=hall&from=2026-05-01T08:00:00Z"
    for address in ("", f"?q=red+jacket&{filters}", "?q=red&camera=No", f"?q={'red' * 100}"):
        page.goto(filled.url + address, wait_until="networkidle")
        widths = [page.evaluate(WIDTH)]
        for menu in ("#camera-menu", "#time-menu"):
            page.tap(f"{menu} summary")
            assert page.is_visible(f"{menu} .panel")
            widths.append(page.evaluate(WIDTH))
            page.tap(f"{menu} summary")
        if visitor.ids():
            page.tap(".hit")
            assert page.is_visible("dialog#detail")
            widths.append(page.evaluate(WIDTH))
        assert set(widths) == {360}, address


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_view_is_wider_than_the_window(visit, kept, width):
    visitor = visit(kept, viewport={"width": width, "height": 800})
    page = visitor.page
    for address in ("", "?q=red+jacket&camera=platform+2&like=5&not=3", "?view=cases", "?view=gallery"):
        page.goto(kept.url + address, wait_until="networkidle")
        assert page.evaluate(WIDTH) == width, address
        for menu in page.locator(".menu summary:visible").all():
            menu.click()
            assert page.evaluate(WIDTH) == width, address
    page.wait_for_selector("#drop")  # what adds pictures is shown and was measured
    page.goto("about:blank")


def test_an_empty_search_says_what_to_do(visit, filled):
    visitor = visit(filled)
    visitor.page.press("#text", "Enter")
    visitor.page.wait_for_selector("#toast:has-text('Type what the person looks like.')")


def test_a_description_that_was_cut_is_said(visit, filled):
    visitor = visit(filled, "?q=" + "+".join(["red"] * 30))
    assert "too many words: only its beginning was used" in visitor.page.inner_text("#notices")
    visitor.ask("red")
    assert visitor.page.inner_text("#notices") == ""


def test_an_empty_gallery_says_how_to_fill_it_and_new_images_appear(visit, empty):
    visitor = visit(empty)
    assert "cskt index FOLDER --gallery GALLERY" in visitor.page.inner_text("#message")
    assert not visitor.page.is_visible(".chip")
    assert violations(visitor.page) == []
    empty.add("red jacket", "hall", None, {})
    for _ in range(100):  # until the running service has looked at the gallery again
        visitor.submit("red jacket")
        visitor.page.wait_for_selector("#grid:not([aria-busy])", state="attached")
        if "of 1 image" in visitor.page.text_content("#status"):
            break
        visitor.page.wait_for_timeout(50)
    assert visitor.ids() == [1]


def test_a_picture_that_cannot_be_loaded_leaves_a_placeholder(visit, filled):
    visitor = visit(filled)
    visitor.page.route("**/v1/images/1", lambda route: route.fulfill(status=404))
    visitor.ask("red jacket")
    visitor.page.wait_for_selector(".no-picture")
    assert "Picture not available" in visitor.page.inner_text(".hit >> nth=0")
    visitor.expect_failed_request()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, filled, scheme):
    visitor = visit(filled, color_scheme=scheme, reduced_motion="reduce")
    rows = []
    for address in ("", "?q=red+jacket&camera=entrance", "?q=red&camera=No", "?q=" + "red+" * 30):
        visitor.page.goto(filled.url + address, wait_until="networkidle")
        visitor.page.click("#time-menu summary")
        rows += visitor.page.evaluate(CONTRASTS)
        if visitor.ids():
            visitor.page.click(".hit >> nth=-1")
            rows += visitor.page.evaluate(CONTRASTS)
    assert {"Nothing found", "Apply", "Camera", "Clear filters"} <= {text for text, _ in rows}
    assert [row for row in rows if row[1] < 4.5] == []


def test_nothing_is_loaded_from_elsewhere_and_the_policy_forbids_it(visit, filled):
    visitor = visit(filled)
    visitor.ask("red jacket")
    assert (
        len(visitor.requests) > 30
    )  # page, style, scripts, gallery, search, pictures: all watched by the fixture
    policy = visitor.page.goto(filled.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_slow_search_is_said_to_be_slow(visit, filled):
    visitor, held = visit(filled), []
    visitor.page.route("**/v1/search", lambda route: held.append(route))
    visitor.submit("red jacket")
    visitor.page.wait_for_selector(".skeleton")
    visitor.page.wait_for_selector("#status:has-text('Still searching: the service is slow')")
    held[0].continue_()
    visitor.wait_for_hits(24)
    assert "Still searching" not in visitor.page.text_content("#status")
