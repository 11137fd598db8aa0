"""What the page says of a ranking whose scores are calibrated, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.matching.calibration import RATES, Calibration, Level, SizeReport
from model.matching.likelihood import Likelihood
from tests.end_to_end.page.accessible import violations
from tests.end_to_end.page.stage import Stage, open_stage

pytestmark = pytest.mark.browser

LEVELS = tuple(
    Level(rate=rate, threshold=0.6, false_alarms=rate, detected=0.4, mistaken=0.01) for rate in RATES
)


@pytest.fixture(scope="module")
def calibrated(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Eighty people; the probability is 0.98 at a cosine of 0.7 and 0.5 at 0.5, whoever else is there."""
    folder: Path = tmp_path_factory.mktemp("page")
    calibration = Calibration(
        fingerprint="f" * 64,
        data="toy people",
        people=600,
        date="2026-11-26",
        calibration_error=0.01,
        likelihood=Likelihood(intercept=-10, cosine=20, standing=0, tail=0, passages=0),
        sizes=(SizeReport(passages=80, questions=9, r1=0.9, calibration_error=0.01, levels=LEVELS),),
    )
    with open_stage(folder / "gallery", people=True, calibration=calibration) as stage:
        yield stage


def test_each_hit_shows_how_likely_it_is(visit, calibrated):
    visitor = visit(calibrated)
    visitor.ask("red jacket")  # cosines 0.7071, 0.6325, 0.3536
    assert visitor.texts(".score-number")[:3] == ["98 %", "93 %", "5 %"]
    assert visitor.page.text_content("#notices") == ""
    first = visitor.page.locator(".hit").first
    assert "98 % likely, similarity 0.707" in first.get_attribute("aria-label")
    first.click()
    shown = visitor.page.text_content("#detail-facts")
    assert re.search(r"98 %\s*likely · similarity 0.707", shown)
    assert "measured on toy people" in shown


def test_nobody_convincing_is_said_above_the_nearest(visit, calibrated):
    visitor = visit(calibrated)
    visitor.ask("green jacket backpack")
    told = visitor.page.text_content("#notices")
    assert told.startswith("No convincing match.")
    assert "from 60 % on" in told
    assert "2 % at most" in told
    assert "toy people" in told
    assert not visitor.page.locator("#notices details p").is_visible()  # figures are there for who wants them
    assert len(visitor.ids()) == 24
    assert violations(visitor.page) == []
    assert visitor.page.text_content("#status").startswith("The first 24 of 80 images")
    visitor.ask("red jacket")
    assert visitor.page.text_content("#notices") == ""
