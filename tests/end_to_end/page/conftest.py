"""Fixtures of the browser tests: a stage with thirty people, an empty one, a Chromium, visits to the page."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.casework.cases import CaseStore
from service.keys import KeyStore
from service.scopes import Scope
from tests.end_to_end.page.stage import Stage, open_stage
from tests.end_to_end.page.visitor import Visitor

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Casework:
    """A stage in casework, the keys by who has them, and the state folder."""

    stage: Stage
    keys: dict[str, str]
    state: Path


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; tests are skipped, with the reason, where there is none.

    Not for the whole session: Playwright keeps an event loop in this thread, and other tests run their own.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(
            "no Chromium here: tests/end_to_end/install_browser.sh installs one; the page is untested"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def filled(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service over thirty people; tests leave it as they found it."""
    with open_stage(tmp_path_factory.mktemp("page") / "gallery", people=True) as stage:
        yield stage


@pytest.fixture
def grouped(browser, tmp_path) -> Iterator[Stage]:
    """A service over five crops of three passages."""
    with open_stage(tmp_path / "gallery", people=False) as stage:
        for minute, track in enumerate(("a", "a", "b", "a", "c")):
            stage.add("red jacket", "hall", f"2026-05-01T08:0{minute}:00.000Z", {}, track)
        yield stage


@pytest.fixture
def kept(browser, tmp_path: Path) -> Iterator[Stage]:
    """A service without keys that keeps cases over thirty people."""
    with open_stage(tmp_path / "gallery", people=True, state=str(tmp_path)) as stage:
        yield stage


@pytest.fixture
def casework(browser, tmp_path: Path) -> Iterator[Casework]:
    """A service in casework with two open cases, and the keys of two people, an admin and an auditor."""
    yield from open_casework(tmp_path)


@pytest.fixture
def scarce(browser, tmp_path: Path) -> Iterator[Casework]:
    """The same where a key is shown 26 people a day."""
    yield from open_casework(tmp_path, people_per_day=26)


def open_casework(tmp_path: Path, **further: object) -> Iterator[Casework]:
    """A stage in casework with these settings."""
    store = KeyStore(tmp_path)
    scopes = {"one": Scope.SEARCH, "other": Scope.SEARCH, "admin": Scope.ADMIN, "auditor": Scope.AUDIT}
    keys = {name: store.create(name, [scope])[1] for name, scope in scopes.items()}
    store.close()
    for id in ("case-7", "case-8"):
        CaseStore(tmp_path).begin(id, f"report {id[-1]}/26", "2999-01-01T00:00:00.000Z")
    settings = {"profile": "casework", **further}
    with open_stage(tmp_path / "gallery", people=True, state=str(tmp_path), **settings) as stage:
        yield Casework(stage, keys, tmp_path)


@pytest.fixture
def empty(browser, tmp_path) -> Iterator[Stage]:
    """A service over a gallery without images."""
    with open_stage(tmp_path / "gallery", people=False) as stage:
        yield stage


@pytest.fixture
def visit(browser):
    """Opens tabs: `visit(stage, address, **options of the browser context)`; then looks for troubles."""
    visitors: list[Visitor] = []

    def open_tab(stage: Stage, address: str = "", **options: object) -> Visitor:
        usual = {
            "timezone_id": "Europe/Berlin",
            "locale": "en-GB",
            "viewport": {"width": 1280, "height": 800},
        }
        visitor = Visitor(browser.new_context(**{**usual, **options}).new_page(), stage)
        visitors.append(visitor)
        visitor.page.set_default_timeout(10_000)
        visitor.watch()
        visitor.page.goto(stage.url + address, wait_until="networkidle")
        return visitor

    yield open_tab
    for visitor in visitors:
        visitor.page.context.close()
        assert visitor.troubles == []
