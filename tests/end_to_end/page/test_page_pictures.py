"""Pictures that are pasted or dropped on the page, in a real browser."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.page.case_steps import sign_in
from tests.end_to_end.page.stage import Stage, drawing, open_stage

pytestmark = pytest.mark.browser
OFFER = """([kind, place, files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, text] of files) {
        const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    const more = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: transfer, ...more })
        : new DragEvent(kind, { dataTransfer: transfer, ...more });
    return document.querySelector(place).dispatchEvent(event);
}"""
PICTURE = ("me.jpg", "image/jpeg", base64.b64encode(drawing("green white")).decode())
WORDS = ("me.txt", "text/plain", base64.b64encode(b"words").decode())
DAMAGED = ("me.png", "image/png", WORDS[2])


@pytest.fixture
def writing(browser, tmp_path: Path) -> Iterator[Stage]:
    """A service over a gallery that it writes to."""
    with open_stage(tmp_path / "gallery", people=True, gallery=str(tmp_path / "gallery")) as stage:
        stage.writer.close()
        yield stage


def offer(visitor, kind: str, place: str, *files: tuple[str, str, str]) -> bool:
    """Paste files or drag them about; whether the browser would then do with them what it usually does."""
    return visitor.page.evaluate(OFFER, [kind, place, files])


@pytest.mark.parametrize(("kind", "place"), [("paste", "#text"), ("drop", "#results"), ("drop", "footer")])
def test_a_picture_that_is_pasted_or_dropped_is_searched_for(visit, filled, kind: str, place: str) -> None:
    visitor = visit(filled)
    if kind == "drop":
        assert not offer(visitor, "dragover", place, PICTURE)
        visitor.page.wait_for_selector("body.over")
    assert not offer(visitor, kind, place, WORDS, PICTURE)
    visitor.page.wait_for_selector(".query-chip.is-picture")
    visitor.wait_for_best(3)  # green above, white below
    assert visitor.page.locator("body.over").count() == 0


def test_what_is_no_picture_is_not_opened_and_told(visit, filled) -> None:
    visitor = visit(filled)
    for files in ([WORDS], [DAMAGED]):
        assert not offer(visitor, "drop", "#results", *files)
        visitor.page.wait_for_selector("#toast:has-text('no picture that the browser can read')")
        visitor.page.evaluate("toast.replaceChildren()")
    assert offer(visitor, "paste", "#text", WORDS)  # words are pasted as always
    assert visitor.page.url == filled.url
    visitor.page.keyboard.press("Escape")
    visitor.page.click("#open-keys")
    assert not offer(visitor, "drop", "#keys", PICTURE)  # over a dialog nothing is asked for
    assert visitor.page.url == filled.url


def test_every_file_that_is_added_is_accounted_for(visit, writing) -> None:
    visitor = visit(writing, "?view=gallery")
    page = visitor.page
    page.wait_for_selector("#drop")
    large = ("large.jpg", "image/jpeg", base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode())
    again = ("again.jpg", *PICTURE[1:])
    assert not offer(visitor, "drop", "#gallery-list", PICTURE, WORDS, DAMAGED, large)
    assert not [url for url in visitor.requests if url.endswith("/v1/items")]
    page.click("#drop-add")
    page.wait_for_selector("text=1 image added, 0 known already, 3 not used.")
    offer(visitor, "drop", "#drop", again)
    page.click("#drop-add")
    page.wait_for_selector("text=0 images added, 1 known already, 0 not used.")
    assert visitor.texts("#drop-reasons li") == ["again.jpg: known already"]
    page.route("**/v1/items", lambda route: route.fulfill(status=500, json={"detail": "It broke."}))
    offer(visitor, "drop", "#drop", PICTURE, again, WORDS)
    offer(visitor, "drop", "#drop", large)
    page.click("text=Add 4 pictures")
    page.wait_for_selector("text=0 images added, 0 known already, 4 not used.")
    assert visitor.texts("#drop-reasons li") == [
        "me.txt: not a picture; take JPEG, PNG or WebP",
        "large.jpg: larger than 10 MB",
        "me.jpg, again.jpg: It broke.",
    ]
    visitor.expect_failed_request()
    page.unroute("**/v1/items")
    page.click("text=Add 2 pictures")  # what did not get through is tried again
    page.wait_for_selector("text=0 images added, 2 known already, 0 not used.")
    offer(visitor, "drop", "#drop", PICTURE)
    page.click("#drop-away")
    assert not page.is_visible("#drop-add")


def test_a_picture_that_was_removed_for_good_is_not_called_known(visit, writing) -> None:
    visitor = visit(writing, "?view=gallery")
    page = visitor.page
    page.wait_for_selector("#drop")
    offer(visitor, "drop", "#drop", PICTURE)
    page.click("#drop-add")
    page.wait_for_selector("text=1 image added")
    assert page.evaluate("fetch('v1/items/31', { method: 'DELETE' }).then((answer) => answer.status)") == 204
    offer(visitor, "drop", "#drop", PICTURE)
    page.click("#drop-add")
    page.wait_for_selector("text=0 images added, 0 known already, 1 not used.")
    assert visitor.texts("#drop-reasons li") == ["me.jpg: was removed for good"]


def test_pictures_are_sent_in_pieces_that_the_service_takes(visit, writing) -> None:
    visitor = visit(writing, "?view=gallery")
    page = visitor.page
    page.wait_for_selector("#drop")
    page.evaluate(
        """() => {
            window.sent = [];
            window.fetch = async (path, { body }) => { // the real one takes its time over so many bytes
                const { items } = JSON.parse(body);
                window.sent.push(items.length);
                return Response.json({ items: items.map(() => ({ status: "stored", id: 1, reason: null })) });
            };
            const transfer = new DataTransfer();
            const bytes = new Uint8Array(9 * 1024 * 1024);
            for (let place = 0; place < 6; place += 1) {
                transfer.items.add(new File([bytes], `${place}.jpg`, { type: "image/jpeg" }));
            }
            const more = { dataTransfer: transfer, bubbles: true, cancelable: true };
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", more));
        }"""
    )
    page.click("#drop-add")
    page.wait_for_selector("text=6 images added", timeout=60_000)
    assert page.evaluate("sent") == [4, 2]  # 36 MB are 48 MB as they are sent; 64 MB are taken at once


def test_who_may_not_add_pictures_is_told(visit, casework) -> None:
    visitor = visit(casework.stage)
    page = visitor.page
    sign_in(visitor, casework.keys["one"])
    page.click("[data-nav=gallery]")
    page.wait_for_selector("#drop-hint", state="visible")
    assert "a key that has the scope index" in page.text_content("#drop-hint")
    assert not page.is_visible("#drop")
