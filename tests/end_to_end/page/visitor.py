"""A person at a browser tab, and everything that must not happen while he is there."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.end_to_end.page.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page, Request


@dataclass
class Visitor:
    """A tab on the service; `troubles` must be empty at the end (the fixture `visit` looks)."""

    page: "Page"
    stage: Stage
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Record console errors, script errors and every request."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: "ConsoleMessage") -> None:
        struck = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET")  # the stage goes before the visitor
        if any(name in message.text for name in struck):
            return
        if message.type in ("error", "warning"):  # violations of the content security policy arrive here too
            self.troubles.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: "Request") -> None:
        self.requests.append(request.url)
        if not request.url.startswith(self.stage.url):
            self.troubles.append(f"request to elsewhere: {request.url}")

    @property
    def searches(self) -> int:
        """How many searches were asked for."""
        return sum("v1/search" in url for url in self.requests)

    def ask(self, words: str) -> None:
        """Type a description, press Enter and wait for hits."""
        self.submit(words)
        self.page.wait_for_selector("#grid:not([aria-busy]) .hit")

    def submit(self, words: str) -> None:
        """Type a description and press Enter."""
        self.page.fill("#text", words)
        self.page.press("#text", "Enter")

    def wait_for_hits(self, count: int) -> None:
        """Wait until exactly so many people are on the page."""
        from playwright.sync_api import expect

        expect(self.page.locator(".hit")).to_have_count(count)

    def wait_for_best(self, id: int) -> None:
        """Wait until this person comes first."""
        from playwright.sync_api import expect

        expect(self.page.locator(".hit").first).to_have_attribute("data-id", str(id))

    def wait_for_focus(self, id: int) -> None:
        """Wait until the card of this person has the focus."""
        from playwright.sync_api import expect

        expect(self.page.locator(f".hit[data-id='{id}']")).to_be_focused()

    def ids(self) -> list[int]:
        """The gallery ids of the hits on the page, in order."""
        return [int(card.get_attribute("data-id") or "") for card in self.page.query_selector_all(".hit")]

    def texts(self, selector: str) -> list[str]:
        """The text of every element that fits."""
        return [found.text_content() or "" for found in self.page.query_selector_all(selector)]

    def expect_failed_request(self) -> None:
        """Take the browser's own report of an unsuccessful request off the list of troubles."""
        assert self.troubles
        assert all("Failed to load resource" in trouble for trouble in self.troubles)
        self.troubles.clear()
