"""What people do in the tests of cases, step by step."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.end_to_end.page.visitor import Visitor


def open_case(visitor: "Visitor", id: str = "2026-117", basis: str = "report 117/26") -> None:
    """Open a case in the cases view."""
    visitor.page.click("[data-nav=cases]")
    visitor.page.fill("#case-form [name=id]", id)
    visitor.page.fill("#case-form [name=basis]", basis)
    visitor.page.click("text=Open the case")
    visitor.page.wait_for_selector(f"#cases-told:has-text('The case {id} is open.')")


def pin(visitor: "Visitor", id: int) -> None:
    """Press the pin on the card of a hit."""
    card = visitor.page.locator(f"li:has(> [data-id='{id}'])")
    card.hover()
    card.locator("[data-action=pin]").click()


def decide(visitor: "Visitor", verdict: str) -> str:
    """Decide on the person shown large; returns what the page says."""
    visitor.page.click(f"[data-verdict={verdict}]")
    told = visitor.page.locator(".decisions [role=status]:not(:empty)")
    told.wait_for()
    return told.text_content() or ""


def show_key(visitor: "Visitor", key: str) -> None:
    """Type a key where the page asks for it; 401s until then are as they should be."""
    visitor.page.wait_for_selector("#signin[open]")
    visitor.page.fill("#signin-form [name=key]", key)
    visitor.page.press("#signin-form [name=key]", "Enter")
    visitor.page.wait_for_selector("#sign-out:not([hidden])", state="attached")
    assert all("401" in trouble for trouble in visitor.troubles), visitor.troubles
    visitor.troubles.clear()


def choose_case(visitor: "Visitor", id: str, purpose: str = "a missing child") -> None:
    """Choose a case where the page asks for which one."""
    visitor.page.wait_for_selector(f"#choice-case option[value={id}]", state="attached")
    visitor.page.select_option("#choice-case", id)
    visitor.page.fill("#choice-form [name=purpose]", purpose)
    visitor.page.press("#choice-form [name=purpose]", "Enter")
    visitor.page.wait_for_selector("#choice", state="hidden")
    visitor.page.wait_for_selector(f"#case-name:has-text('{id}')")


def sign_in(visitor: "Visitor", key: str, case: str = "case-7") -> None:
    """Sign in in casework."""
    show_key(visitor, key)
    choose_case(visitor, case)
