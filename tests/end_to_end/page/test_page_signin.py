"""Signing in with a key, in a real browser: asked for, refused, taken, kept out of sight."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.keys import KeyStore
from service.scopes import Scope
from tests.end_to_end.page.stage import Stage, open_stage

pytestmark = pytest.mark.browser


@pytest.fixture
def keyed(browser, tmp_path: Path) -> Iterator[tuple[Stage, str, KeyStore]]:
    """A service that asks for a key, one that is good for searching, and where it is kept."""
    store = KeyStore(tmp_path)
    key = store.create("front desk", [Scope.SEARCH])[1]
    with open_stage(tmp_path / "gallery", people=True, state=str(tmp_path)) as stage:
        yield stage, key, store
    store.close()


def refused_only(visitor) -> None:
    """Chromium writes every 401 to its console; nothing else may be there."""
    assert all("401" in trouble for trouble in visitor.troubles), visitor.troubles
    visitor.troubles.clear()


def sign_in(visitor, key: str) -> None:
    visitor.page.fill("#signin-form [name=key]", key)
    visitor.page.press("#signin-form [name=key]", "Enter")


def test_a_key_opens_the_page_and_stays_out_of_reach_of_scripts(visit, keyed):
    from playwright.sync_api import expect

    stage, key, store = keyed
    visitor = visit(stage)
    visitor.page.wait_for_selector("#signin[open]")
    sign_in(visitor, "cskt_000000000000_wrong")
    expect(visitor.page.locator("#signin-problem")).not_to_be_empty()
    assert visitor.page.is_visible("#signin[open]")
    refused_only(visitor)

    sign_in(visitor, key)
    expect(visitor.page.locator("#gallery-facts")).not_to_be_empty()  # the page has begun anew
    assert not visitor.page.is_visible("#signin[open]")
    visitor.ask("red jacket")
    assert visitor.ids()[:3] == [1, 2, 5]
    assert visitor.page.evaluate("document.cookie") == ""
    assert key not in visitor.page.content()
    refused_only(visitor)

    (known,) = store.all()
    store.revoke(known.id)
    while visitor.page.evaluate("fetch('v1/gallery').then((answer) => answer.status)") != 401:
        pass
    visitor.submit("green shirt")
    visitor.page.wait_for_selector("#signin[open]")
    visitor.page.goto("about:blank")  # nothing more is asked
    refused_only(visitor)


def test_who_signs_out_elsewhere_is_gone_from_this_screen_too(visit, keyed):
    from playwright.sync_api import expect

    stage, key, store = keyed
    visitor = visit(stage)
    sign_in(visitor, key)
    visitor.page.wait_for_selector("#sign-out:not([hidden])")
    expect(visitor.page.locator("#who")).to_have_text("front desk")
    visitor.ask("red jacket")
    visitor.page.click(".hit >> nth=0")
    other = visitor.page.context.new_page()
    other.goto(stage.url)
    other.click("#sign-out")
    other.wait_for_selector("#signin[open]")
    visitor.page.wait_for_selector("#signin[open]")
    assert visitor.ids() == []
    assert not visitor.page.is_visible("#detail")
    assert not visitor.page.is_visible("#text")
    other.close()

    somebody = store.create("somebody else", [Scope.SEARCH])[1]
    visitor.page.wait_for_timeout(1100)  # until the service has noticed the key
    sign_in(visitor, somebody)
    visitor.page.wait_for_selector("body[data-view=start]")
    expect(visitor.page.locator("#who")).to_have_text("somebody else")
    assert visitor.page.url == stage.url
    assert visitor.page.input_value("#text") == ""
    refused_only(visitor)


def test_who_signs_in_again_goes_on_where_he_was(visit, keyed):
    stage, key, _ = keyed
    visitor = visit(stage, "?q=green+shirt")  # a link that somebody sent
    sign_in(visitor, key)
    visitor.page.wait_for_selector("#grid:not([aria-busy]) .hit")
    assert visitor.page.input_value("#text") == "green shirt"
    visitor.page.fill("#text", "green shirt and a bac")
    visitor.page.evaluate("fetch('v1/session', { method: 'DELETE' })")  # as if it had run out
    visitor.page.wait_for_selector("#signin[open]")
    assert visitor.ids() == []
    sign_in(visitor, key)
    visitor.page.wait_for_selector("#grid:not([aria-busy]) .hit")
    assert visitor.page.input_value("#text") == "green shirt and a bac"
    assert visitor.page.url.endswith("?q=green+shirt")
    visitor.page.press("#text", "Escape")
    assert visitor.page.input_value("#text") == "green shirt and a bac"
    visitor.page.click("[data-nav=gallery]")
    refused_only(visitor)
