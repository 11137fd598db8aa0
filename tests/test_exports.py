"""What leaves as a file: each hit with its attributes and what was asked, as many as the search allows."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from keyed_service import ADDRESS, headers, keyed, make
from service_toys import ToyEncoder, ToyGallery, person

from service.app import create_app
from service.scopes import Scope
from service.searcher import Searcher
from service.settings import Settings

MANY = 230


@pytest.fixture(scope="module")
def many() -> Iterator[TestClient]:
    """A service without keys on more rows than one page of a ranking holds."""
    settings = Settings(refresh_seconds=0.02)
    rows = ToyGallery([person(f"coat number{number}", number) for number in range(1, MANY + 1)])
    app = create_app(settings, Searcher(ToyEncoder(), rows, settings))
    with TestClient(app, base_url=ADDRESS) as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def take(client: TestClient, search: dict, **body: object):
    return client.post("/v1/search/export", json={"search": {"text": "coat", **search}, **body})


def table(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_a_table_goes_as_deep_as_the_search(many) -> None:
    assert len(table(take(many, {"top_k": 5}))) == 5
    rows = table(take(many, {"top_k": 5}, rows=10_000))
    assert [int(row["rank"]) for row in rows] == list(range(1, MANY + 1))
    assert len({row["id"] for row in rows}) == MANY
    behind = table(take(many, {"offset": 220}, rows=10_000))
    assert [(row["rank"], row["id"]) for row in behind] == [(row["rank"], row["id"]) for row in rows[220:]]


def test_each_attribute_has_a_column_and_each_row_says_what_was_asked(many) -> None:
    rows = table(take(many, {"top_k": 40}))
    assert {row["searched_for"] for row in rows} == {"coat"}
    for row in rows:
        assert row["attribute number"] == row["id"]
        assert row["attribute hat"] == ("true" if int(row["id"]) % 2 == 0 else "false")
        assert row["attribute upper"] == "coat"
        assert row["filter"] == ""
    hats = table(take(many, {"top_k": 40, "filter": {"attributes": {"hat": True}}}))
    assert {row["filter"] for row in hats} == {'{"attributes":{"hat":true}}'}


def test_a_contact_sheet_has_what_paper_takes_and_says_so(many) -> None:
    sheet = {"format": "contact-sheet"}
    full = take(many, {}, rows=10_000, **sheet).text
    assert full.count("base64,") == 200
    assert f"200 of {MANY} images; there are more" in full
    assert "there are more" not in take(many, {"offset": 100}, rows=10_000, **sheet).text
    page = take(many, {"top_k": 3, "offset": 7}, **sheet).text
    assert re.findall(r"<b>(\d+)\. No\.", page) == ["8", "9", "10"]


def test_times_on_paper_are_for_people_and_who_printed_is_named(tmp_path: Path) -> None:
    body = {"search": {"text": "blue dress", "top_k": 1}, "format": "contact-sheet"}
    with keyed(tmp_path) as (client, store):
        alone = client.post("/v1/search/export", json=body).text
        shown = headers(make(store, Scope.SEARCH))
        while client.get("/v1/gallery").status_code != 401:
            pass
        page = client.post("/v1/search/export", json=body, headers=shown).text
    assert "<span>2026-05-01 05:00:00 UTC</span>" in page
    assert not re.search(r"\dT\d|\.\d{3}Z", page)
    assert re.search(r"<dt>Printed</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by somebody</dd>", page)
    assert re.search(r"<dt>Printed</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</dd>", alone)
    assert "this machine" not in alone
