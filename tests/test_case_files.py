"""Case files: what people pin, note and decide, by whom it can be read, and what comes out of it."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from keyed_service import headers, keyed, make, write

from service import cli
from service.casework.cases import CaseStore
from service.casework.entries import Entries, Entry
from service.keys import KeyStore
from service.scopes import Scope

LATER = "2999-01-01T00:00:00.000Z"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(params=["open", "casework"])
def service(request, tmp_path: Path) -> Iterator[tuple]:
    """A client, the shown keys of two people who search and of one who opens cases, and the profile."""
    with keyed(tmp_path, profile=request.param) as (client, store):
        one, other = (make(store, Scope.SEARCH, name=name) for name in ("Ada Lovelace", "Grace Hopper"))
        admin = headers(make(store, Scope.ADMIN, Scope.AUDIT))
        while client.get("/v1/gallery").status_code != 401:
            pass
        begun = client.post("/v1/cases", json={"id": "case-7", "basis": HOSTILE}, headers=admin)
        assert begun.status_code == 201
        why = {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"}
        shown = headers(one) | why, headers(other) | why, admin
        while client.get("/v1/items/1", headers=shown[0]).status_code != 200:
            pass
        yield client, *shown, request.param


def test_a_file_is_what_people_wrote(service) -> None:
    client, one, other, *_ = service
    assert write(client, one, kind="pin", item=1, query="red coat").status_code == 201
    write(client, other, kind="pin", item=2)
    write(client, other, kind="unpin", item=1)
    write(client, one, kind="note", words=HOSTILE)
    file = client.get("/v1/cases/case-7", headers=other).json()
    assert [(pin["id"], pin["item"]["camera"]) for pin in file["pins"]] == [(2, "camera-2")]
    assert [note["words"] for note in file["notes"]] == [HOSTILE]
    assert file["basis"] == HOSTILE


def test_decisions_on_words_and_on_more_than_words_are_kept_apart(service) -> None:
    client, one, *_ = service
    decide = {"kind": "decision", "item": 4, "query": "blue dress"}
    write(client, one, kind="pin", item=4, query="blue dress", asked="words and more")
    write(client, one, **decide, verdict="same", asked="words and more")
    file = write(client, one, **decide, verdict="not").json()
    assert [pin["asked"] for pin in file["pins"]] == ["words and more"]
    found = [(one["asked"], [said["verdict"] for said in one["decisions"]]) for one in file["findings"]]
    assert found == [("words and more", ["same"]), ("words", ["not"])]
    page = client.get("/v1/cases/case-7/report", headers=one).text
    assert page.count("blue dress (with pictures or people marked)") == 2


def test_in_casework_two_people_must_agree(service) -> None:
    client, one, other, _, profile = service
    decide = {"kind": "decision", "item": 4, "query": "blue dress"}

    def state(shown, verdict):
        (found,) = write(client, shown, **decide, verdict=verdict).json()["findings"]
        return found["state"]

    alone = "confirmed" if profile == "open" else "one more"
    assert state(one, "same") == alone
    assert state(one, "same") == alone  # the same person a second time is no second person
    (found,) = client.get("/v1/cases/case-7", headers=other).json()["findings"]
    known = {(said["by"], said["verdict"]) for said in found["decisions"]}
    hidden = profile == "casework"  # who looks next does not know what was decided before
    assert (found["state"], known) == (
        ("hidden", {("Ada Lovelace", None)}) if hidden else ("confirmed", {("Ada Lovelace", "same")})
    )
    page = client.get("/v1/cases/case-7/report", headers=other).text
    assert ("Ada Lovelace: same person" in page) != hidden
    assert state(other, "same") == "confirmed"
    assert state(other, "not") == "disputed"
    assert state(one, "unsure") == "not"
    (found,) = client.get("/v1/cases/case-7", headers=one).json()["findings"]
    assert {(one["verdict"], one["mine"]) for one in found["decisions"]} == {("unsure", True), ("not", False)}
    assert [(one["verdict"], one["mine"]) for one in found["earlier"]] == [("same", False), ("same", True)]
    page = client.get("/v1/cases/case-7/report", headers=one).text
    assert page.count("before that, ") == 2  # who changed his mind is seen on paper too


def test_a_report_holds_everything_and_runs_nothing(service) -> None:
    client, one, *_ = service
    write(client, one, kind="pin", item=1, query="red coat")
    write(client, one, kind="decision", item=4, query=HOSTILE, verdict="not", words="other shoes")
    write(client, one, kind="note", words=HOSTILE)
    answer = client.get("/v1/cases/case-7/report", headers=one)
    assert answer.headers["content-disposition"] == 'attachment; filename="case-case-7.html"'
    page = answer.text
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    for word in ("Not the person searched for", "other shoes", "camera-1", "Pinned"):
        assert word in page
    assert re.search(r"<dt>Encoder of the gallery now</dt><dd>[^<]+</dd>", page)
    shown = one | {"Cskt-Purpose": "for the court"}
    assert "<dd>for the court</dd>" in client.get("/v1/cases/case-7/report", headers=shown).text


def test_who_was_decided_on_is_printed_once_and_times_are_for_people(service) -> None:
    client, one, *_ = service
    for item in (1, 4):
        write(client, one, kind="pin", item=item, query="red coat")
    write(client, one, kind="decision", item=4, query="red coat", verdict="unsure")
    page = client.get("/v1/cases/case-7/report", headers=one).text
    assert re.findall(r"<b>No. (\d+)</b>", page) == ["4", "1"]
    assert page.count("pinned by") == 2
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert not re.search(r"\dT\d|\.\d{3}Z", page)
    assert "2026-05-01 04:00:00 UTC" in page


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "pin"},
        {"kind": "note", "words": "  "},
        {"kind": "note", "words": "seen", "item": 1},
        {"kind": "decision", "item": 1, "query": "coat"},
        {"kind": "decision", "item": 1, "verdict": "same"},
        {"kind": "pin", "item": 1, "verdict": "same"},
    ],
)
def test_half_an_entry_is_refused(service, entry: dict) -> None:
    client, one, *_ = service
    assert write(client, one, **entry).status_code == 422


def test_a_row_that_is_not_there_cannot_be_pinned(service) -> None:
    client, one, *_ = service
    assert write(client, one, kind="pin", item=99).status_code == 404
    write(client, one, kind="pin", item=3)
    client.app.state.searcher.upkeep.serving.gallery.remove_ids([3])
    (pin,) = client.get("/v1/cases/case-7", headers=one).json()["pins"]
    assert (pin["id"], pin["item"]) == (3, None)
    assert write(client, one, kind="unpin", item=3).json()["pins"] == []


def test_closed_and_foreign_cases_are_like_unknown_ones(service, tmp_path: Path) -> None:
    client, one, _, admin, profile = service
    CaseStore(tmp_path).begin("foreign", "report", LATER, keys=["somebody"])
    CaseStore(tmp_path).begin("closed", "report", LATER)
    assert client.delete("/v1/cases/closed", headers=admin).status_code == 204
    if profile == "open":
        answers = [client.get(f"/v1/cases/{id}", headers=one) for id in ("foreign", "closed", "unknown")]
        assert {answer.status_code for answer in answers} == {404}
        assert len({re.sub("foreign|closed|unknown", "", answer.text) for answer in answers}) == 1
    listed = client.get("/v1/cases", headers=one).json()
    assert [case["id"] for case in listed["cases"]] == ["case-7"]
    assert not listed["may_open"]
    assert {case["id"] for case in client.get("/v1/cases", headers=admin).json()["cases"]} == {
        "case-7",
        "foreign",
    }
    again = client.post("/v1/cases", json={"id": "closed", "basis": "report"}, headers=admin)
    assert again.status_code == 409
    assert client.delete("/v1/cases/nothing", headers=admin).status_code == 404


def test_what_leaves_and_what_is_written_is_on_record(service) -> None:
    client, one, _, admin, _ = service
    client.post("/v1/search/export", json={"search": {"text": "blue dress", "top_k": 3}}, headers=one)
    write(client, one, kind="pin", item=4, query="blue dress")
    write(client, one, kind="decision", item=4, query="blue dress", verdict="same")
    client.get("/v1/cases/case-7/report", headers=one)
    records = client.get("/v1/audit", headers=admin).json()["records"]
    told = {record["action"]: record for record in records}
    assert {"case open", "export", "case entry", "report"} <= set(told)
    assert told["export"]["words"] == "blue dress"
    assert len(told["export"]["shown"]) == 3
    assert told["case entry"]["facts"]["verdict"] == "same"
    assert told["report"]["shown"] == [4]


def test_a_contact_sheet_shows_each_hit(service) -> None:
    client, one, *_ = service
    body = {"search": {"text": "blue dress", "top_k": 5}, "format": "contact-sheet"}
    page = client.post("/v1/search/export", json=body, headers=one).text
    assert page.count('src="data:image/jpeg;base64,') == 5
    assert "blue dress" in page
    assert "not proof of identity" in page
    assert "2026-05-01 05:00:00 UTC" in page
    assert "000Z" not in page


def test_a_report_leaves_whatever_the_case_was_called_in_earlier_versions(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        CaseStore(tmp_path).begin("a", "report", LATER)
        with closing(sqlite3.connect(tmp_path / "cases.db")) as earlier:
            earlier.execute("UPDATE investigation SET id = '案件 \"1'")
            earlier.commit()
        shown = headers(make(store, Scope.SEARCH))
        answer = client.get('/v1/cases/案件 "1/report', headers=shown)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="case-1.html"'


def test_a_row_that_is_somebody_else_now_is_not_shown_as_found(service) -> None:
    client, one, other, *_ = service
    for shown in (one, other):
        write(client, shown, kind="decision", item=4, query="blue dress", verdict="same")
    write(client, one, kind="pin", item=5)
    rows = client.app.state.searcher.upkeep.serving.gallery._rows
    rows[3], rows[4] = rows[4], rows[3]  # as if all had been indexed anew
    file = client.get("/v1/cases/case-7", headers=one).json()
    assert [(found["item"], found["missing"]) for found in file["findings"]] == [(None, "another")]
    assert [(pin["item"], pin["missing"]) for pin in file["pins"]] == [(None, "another")]
    page = client.get("/v1/cases/case-7/report", headers=one).text
    assert "data:image/jpeg" not in page
    assert page.count("another person&#x27;s picture now") == 2
    again = write(client, one, kind="decision", item=4, query="blue dress", verdict="not").json()
    assert [found["state"] for found in again["findings"]] == ["confirmed", "not"]


def test_entries_of_an_earlier_version_are_shown_as_unchecked(service, tmp_path: Path) -> None:
    client, one, *_ = service
    with closing(Entries(tmp_path)) as entries:
        entries.add("case-7", Entry("pin", "k", "n", 5))
    (pin,) = client.get("/v1/cases/case-7", headers=one).json()["pins"]
    assert (pin["item"]["id"], pin["checked"]) == (5, False)
    assert "not checked" in client.get("/v1/cases/case-7/report", headers=one).text


def test_no_key_of_an_item_is_written_down(service, tmp_path: Path) -> None:
    client, one, *_ = service
    write(client, one, kind="pin", item=5)
    assert b"person-5" not in (tmp_path / "entries.db").read_bytes()


def test_what_a_key_may_not_see_is_left_out_and_said(service, tmp_path: Path) -> None:
    client, one, *_ = service
    words = "a very special coat"
    write(client, one, kind="decision", item=4, query=words, verdict="same", words="by the shoes")
    write(client, one, kind="pin", item=5, query="a cap")
    with closing(KeyStore(tmp_path)) as store:
        limited = headers(make(store, Scope.SEARCH, name="Hedy", cameras=("camera-2",)))
    limited |= {name: one[name] for name in ("Cskt-Case", "Cskt-Purpose")}
    while client.get("/v1/cases/case-7", headers=limited).status_code != 200:
        pass
    answer = client.get("/v1/cases/case-7", headers=limited)
    file = answer.json()
    assert ([pin["id"] for pin in file["pins"]], file["findings"], file["withheld"]) == ([5], [], 1)
    page = client.get("/v1/cases/case-7/report", headers=limited).text
    for text in (answer.text, page):
        assert words not in text
        assert "by the shoes" not in text
    assert "1 pins and findings on people not open to this key" in page


def test_a_case_for_some_cameras_takes_nobody_else(service, tmp_path: Path) -> None:
    client, one, *_ = service
    CaseStore(tmp_path).begin("narrow", "report", LATER, cameras=["camera-1"])
    shown = one | {"Cskt-Case": "narrow"}
    while client.get("/v1/cases/narrow", headers=shown).status_code != 200:
        pass
    answers = [
        client.post("/v1/cases/narrow/entries", json={"kind": "pin", "item": item}, headers=shown)
        for item in (4, 5)
    ]
    assert [answer.status_code for answer in answers] == [201, 404]


def test_what_is_forgotten_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state", str(tmp_path)]
    CaseStore(tmp_path).begin("a", "report", LATER)
    entries = Entries(tmp_path)
    for case in "ab":
        entries.add(case, Entry("note", "k", "n", words=f"the words of {case}"))
    assert cli.main(["case", "forget", "a", *place]) == 2
    assert "close it first" in capsys.readouterr().err
    assert cli.main(["case", "close", "a", *place]) == 0
    assert cli.main(["case", "forget", "a", *place]) == 0
    assert cli.main(["case", "forget", "c", *place]) == 2
    entries.close()
    written = (tmp_path / "entries.db").read_bytes()
    assert b"the words of a" not in written
    assert b"the words of b" in written
