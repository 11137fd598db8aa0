"""How the page is made, in a real browser: accessible, safe from hostile names, at ease with many hits."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.items import EmbeddedItem, GalleryItem
from tests.end_to_end.page.accessible import violations
from tests.end_to_end.page.stage import HOSTILE, Stage, drawing, open_stage

pytestmark = pytest.mark.browser
SCRIPTS = (
    "<script>{run}</script>",
    "<img src=x onerror={run}>",
    "<svg onload={run}>",
    "javascript:{run}",
    "'-{run}-'",
    '" onmouseover="{run}',
    "</option></select><iframe srcdoc='<script>parent.{run}</script>'>",
    "{{{{constructor.constructor('{run}')()}}}}",
    "<a href=javascript:{run}>x</a>",
    "<style>@import'javascript:{run}'</style>",
    "\u202e<script>{run}</script>",
    "<math><mtext><table><mglyph><style><img src onerror={run}>",
)
RUN = "window.pwned=1"
NAMES = 1000 if os.environ.get("CSKT_FUZZ") == "long" else 300


@pytest.fixture(scope="module")
def worked(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service that keeps cases over thirty people, also writing."""
    folder: Path = tmp_path_factory.mktemp("craft")
    gallery = folder / "gallery"
    with open_stage(gallery, people=True, state=str(folder), gallery=str(gallery)) as stage:
        yield stage


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_to_mend(visit, worked, width: int, scheme: str) -> None:
    size = {"width": width, "height": 800}
    visitor = visit(worked, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    page = visitor.page
    found = {"start": violations(page)}
    for menu in ("describe", "camera", "time", "facts"):
        page.goto(f"{worked.url}?q=red+jacket&like=5&not=3&camera=entrance", wait_until="networkidle")
        page.click(f"#{menu}-menu summary")
        page.wait_for_timeout(100)
        found[menu] = violations(page)
    page.click(".hit >> nth=0", force=True)
    page.click("text=Show what answers which words")
    page.wait_for_selector("canvas.evidence")
    found["detail"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found["keys"] = violations(page)
    for address in (
        "?q=red&camera=No",
        "?q=red&camra=x",
        "?q=" + "red+" * 30,
        "?view=gallery",
        "?picture=" + "a" * 16,
    ):
        page.goto(worked.url + address, wait_until="networkidle")
        found[address] = violations(page)
    page.goto(f"{worked.url}?view=cases", wait_until="networkidle")
    found["cases"] = violations(page)
    name = f"case-{scheme}-{width}"
    page.fill("#case-form [name=id]", name)
    page.fill("#case-form [name=basis]", "a report")
    page.click("text=Open the case")
    page.wait_for_selector(".case-row:has(.tag)")
    page.evaluate(
        """async (name) => {
            const send = (entry) => fetch(`v1/cases/${name}/entries`, {
                method: "POST",
                body: JSON.stringify(entry),
                headers: { "content-type": "application/json" },
            });
            await send({ kind: "pin", item: 1, query: "red" });
            await send({ kind: "decision", item: 2, query: "red", verdict: "same" });
            await send({ kind: "note", words: "seen" });
        }""",
        name,
    )
    page.reload(wait_until="networkidle")
    page.wait_for_selector(".people li")
    found["case"] = violations(page)
    assert {state: faults for state, faults in found.items() if faults} == {}


def names_to_the_end(page) -> Iterator[str]:
    """What every card says of where, until there is no more: two screens around what is seen are drawn."""
    for _ in range(2000):
        yield from page.locator(".where").all_text_contents()
        at_end = page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 1")
        if at_end and page.locator("#more").is_hidden():
            return
        page.evaluate("scrollBy(0, 2 * innerHeight)")
        page.evaluate(
            "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        )  # it is drawn


def test_hostile_names_run_nothing(visit, browser, tmp_path: Path) -> None:
    chance = random.Random(0)
    with open_stage(tmp_path / "gallery", people=False) as stage:
        vector, picture = stage.encoder.embed_texts(["red jacket"])[0], drawing("red")
        names = [
            "".join(chance.choices(SCRIPTS, k=2)).format(run=RUN) + str(number) for number in range(NAMES)
        ]
        stage.writer.add(
            [
                EmbeddedItem(
                    GalleryItem(
                        name,
                        f"toy:{name}",
                        f"toy:{name}",
                        None,
                        name,
                        "2026-05-01T08:00:00.000Z",
                        name if number % 2 else "t",
                        attributes={name: name} if number % 50 == 0 else {"note": HOSTILE},
                    ),
                    vector,
                    picture,
                )
                for number, name in enumerate(names)
            ]
        )
        visitor = visit(stage, "?q=red+jacket")
        page = visitor.page
        assert set(names_to_the_end(page)) == set(names)
        page.evaluate("scrollTo(0, 0)")
        for place in range(12):
            page.locator(".hit").nth(place).click()
            page.wait_for_selector("#detail[open]")
            page.keyboard.press("Escape")
        for menu in ("camera", "time", "facts"):
            page.click(f"#{menu}-menu summary")
            page.wait_for_timeout(100)
        page.goto(f"{stage.url}?view=gallery", wait_until="networkidle")
        assert page.locator("#gallery-cameras li").count() == NAMES
        assert page.evaluate("window.pwned") is None
        assert page.locator("iframe, img[src=x], svg[onload]").count() == 0
        page.goto("about:blank")  # the view of the gallery would go on asking


def test_ten_thousand_hits_scroll(visit, browser, tmp_path: Path) -> None:
    with open_stage(tmp_path / "gallery", people=False) as stage:
        vector, picture = stage.encoder.embed_texts(["red jacket"])[0], drawing("red")
        items = [GalleryItem(str(n), f"toy:{n}", "toy", camera="hall") for n in range(10_000)]
        stage.writer.add([EmbeddedItem(item, vector, picture) for item in items])
        visitor = visit(stage, "?q=red+jacket", viewport={"width": 600, "height": 400})
        page = visitor.page  # small while they come: fewer of them are drawn on the way
        while "10,000 of 10,000" not in page.inner_text("#status"):
            assert not page.is_visible("#toast:has-text('No more could be shown')"), page.inner_text("#toast")
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            page.wait_for_timeout(20)
        page.set_viewport_size({"width": 1280, "height": 800})
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_selector("[data-id='10000']")
        ids = visitor.ids()
        assert ids == list(range(10_001 - len(ids), 10_001))
        assert len(ids) < 200  # no more than what is seen, and around it
        height = page.evaluate("document.body.scrollHeight")
        before = len(visitor.requests)
        page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
        page.wait_for_timeout(500)
        fetched = [url for url in visitor.requests[before:] if "/v1/images/" in url]
        assert 0 < len(fetched) <= page.locator(".hit").count()  # not those that were passed over
        middle = page.evaluate("document.elementFromPoint(640, 500).closest('li').ariaPosInSet")
        assert 4500 < int(middle) < 5500
        page.press("#text", "ArrowDown")
        visitor.wait_for_focus(1)  # the first is still the current one
        page.keyboard.press("End")
        visitor.wait_for_focus(10_000)
        page.keyboard.press("k")
        visitor.wait_for_focus(9_999)
        page.keyboard.press("Enter")
        assert page.text_content("#detail-title") == "Hit 9999 of 10000 shown"
        page.keyboard.press("Escape")
        page.keyboard.press("Home")
        visitor.wait_for_focus(1)
        assert page.evaluate("document.body.scrollHeight") == height  # nothing jumped
