"""The view of the gallery in a real browser: what it holds, jobs as they run, pictures dropped in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.indexing import IndexReport
from indexer.items import Rejected
from indexer.jobs import told_job
from tests.end_to_end.page.accessible import violations
from tests.end_to_end.page.stage import Stage, drawing, open_stage

pytestmark = pytest.mark.browser


@pytest.fixture
def growing(browser, tmp_path: Path) -> Iterator[Stage]:
    """A service over a gallery that it may write to, as one that was started with its address."""
    with open_stage(tmp_path / "gallery", people=True, gallery=str(tmp_path / "gallery")) as stage:
        yield stage


def test_what_the_gallery_holds_is_shown(visit, growing) -> None:
    growing.writer.add(
        [], [Rejected("k", "/secret/folder/broken.jpg", "folder:/secret/folder", "is cut off.")]
    )
    visitor = visit(growing, "?view=gallery")
    page = visitor.page
    page.wait_for_selector("#rejected li")
    facts = page.inner_text("#gallery-list")
    for fact in ("30", "demo (ffffffffffff, 11 numbers an image)", "Last indexed", "every row is scanned"):
        assert fact in facts
    assert "platform 2\n25" in page.inner_text("#gallery-cameras")
    assert page.inner_text("#rejected").split("\n") == ["broken.jpg", "is cut off.", "folder:folder"]
    assert "/secret" not in page.content()
    assert violations(page) == []


def test_a_running_job_is_followed_live(visit, growing, tmp_path: Path) -> None:
    visitor = visit(growing, "?view=gallery")
    page = visitor.page
    report = IndexReport("folder:/x/gate")
    with told_job(tmp_path / "gallery", report.source, 200, report) as job:
        page.wait_for_selector("text=folder:gate")
        for report.new in (50, 150):
            job._told = 0
            job.update(report)
            page.wait_for_selector(f"text=running: {report.new} of 200 images")
        assert page.locator("#jobs progress").evaluate("bar => bar.value") == 0.75
        assert violations(page) == []
        growing.add("red jacket", "yard", None, {})
    page.wait_for_selector("text=finished: 150 of 200 images")
    page.wait_for_selector("#gallery-cameras >> text=yard")  # and what it brought is shown


def test_pictures_are_added_by_choosing_or_dropping_them(visit, growing) -> None:
    growing.writer.close()  # the service writes now
    visitor = visit(growing, "?view=gallery")
    page = visitor.page
    page.fill("#drop-camera", "gate")
    page.fill("#drop-time", "2026-05-03T10:00:00")
    page.set_input_files(
        "#drop-files",
        [
            {"name": "one.jpg", "mimeType": "image/jpeg", "buffer": drawing("green white")},
            {"name": "two.png", "mimeType": "image/png", "buffer": b"no picture at all"},
        ],
    )
    page.click("text=Add 2 pictures")
    page.wait_for_selector("text=1 image added, 0 known already, 1 not used.")
    assert "two.png:" in page.inner_text("#drop-reasons")
    page.wait_for_selector("#gallery-cameras >> text=gate")
    page.evaluate(
        """async () => {
            const bytes = await (await fetch("v1/images/1")).blob();
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "three.jpg", { type: "image/jpeg" }));
            document.getElementById("drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }"""
    )
    page.click("text=Add 1 picture")
    page.wait_for_selector("text=1 image added, 0 known already, 0 not used.")
    page.click("[data-nav=search]")
    visitor.ask("green")
    assert 31 in visitor.ids()
    page.click("[data-id='31']")
    assert "Sun, 3 May 2026, 10:00:00" in page.inner_text("#detail-facts")
    assert "gate" in page.inner_text("#detail-facts")


def test_regions_that_answer_a_phrase_are_drawn_over_the_picture(visit, growing) -> None:
    visitor = visit(growing)
    visitor.ask("a red jacket")
    visitor.page.click(".hit >> nth=0")  # red above, black below
    visitor.page.click("text=Show what answers which words")
    canvas = visitor.page.locator("canvas.evidence")
    canvas.wait_for()
    rows, columns = 10, 4
    drawn = canvas.evaluate("map => [...map.getContext('2d').getImageData(0, 0, 4, 10).data]")
    opacity = drawn[3::4]
    assert len(opacity) == rows * columns
    assert 2 <= opacity.index(max(opacity)) // columns <= 5  # the jacket: rows 30 to 70 of 128
    assert "not proof" in visitor.page.inner_text("#detail-evidence")
    over, image = canvas.bounding_box(), visitor.page.locator("#detail-picture img").bounding_box()
    assert over["height"] == pytest.approx(image["height"], abs=1)
    visitor.page.click("#detail-evidence .chip")
    assert canvas.count() == 0
