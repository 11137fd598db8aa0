"""What axe-core finds on a page."""

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIOLATIONS_ONLY = {"resultTypes": ["violations"]}
"""What is in order is checked all the same, but not told: that takes most of the time."""


def violations(page: "Page") -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA and its best practices."""
    found = Axe().run(page, options=VIOLATIONS_ONLY).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
