"""Times as filters in a real browser: what an address says stays what is searched for."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

pytestmark = pytest.mark.browser


def test_a_time_in_the_doubled_hour_stays_what_it_was(visit, filled):
    # On 25 October 2026 in Berlin 02:30 comes twice: at 00:30 UTC and at 01:30 UTC.
    times = {"from": "2026-10-25T01:30:00.000Z", "until": "2026-10-25T02:00:00.123Z"}
    visitor = visit(filled, "?" + urlencode({"q": "grey", **times}))
    page = visitor.page

    def address() -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}

    assert page.input_value("#seen-from") == "2026-10-25T02:30"
    page.click("#camera-menu summary")
    page.check("#cameras >> text=entrance")
    page.wait_for_selector("#message:has-text('Nothing found')")
    assert address() == {"q": "grey", "camera": "entrance", **times}
    page.click("#time-menu summary")
    page.fill("#seen-until", "2026-10-25T04:00")
    page.click("text=Apply")
    page.wait_for_url("**until=2026-10-25T03*")
    assert address()["from"] == times["from"]  # only the field that was edited is read anew
    assert address()["until"] == "2026-10-25T03:00:00.000Z"
