"""Casework: nobody is shown without an open case and a purpose, and the refusal is on record."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyed_service import headers, keyed, make

from indexer.items import Rejected
from service import cli
from service.casework.cases import CaseProblem, CaseStore
from service.scopes import Scope

LATER, EARLIER = "2999-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"
SHOWING = [
    ("POST", "/v1/search", {"text": "blue dress"}),
    ("POST", "/v1/search/batch", {"searches": [{"text": "blue dress"}]}),
    ("GET", "/v1/items/4", None),
    ("GET", "/v1/items/4/neighbours", None),
    ("GET", "/v1/images/4", None),
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple]:
    """A client, the cases, a key that may search and one that may do everything."""
    with keyed(tmp_path, profile="casework") as (client, store):
        keys = make(store, Scope.SEARCH), make(store, *Scope)
        while client.get("/v1/gallery").status_code != 401:
            pass
        yield client, CaseStore(tmp_path), *keys


def why(key: str, case: str = "case-7", purpose: str = "missing child") -> dict[str, str]:
    return headers(key) | {"Cskt-Case": case, "Cskt-Purpose": purpose}


def ask(client, request: tuple, shown: dict[str, str]) -> int:
    method, path, body = request
    return client.request(method, path, json=body, headers=shown).status_code


@pytest.mark.parametrize("request_", SHOWING, ids=[path for _, path, _ in SHOWING])
def test_people_are_shown_for_an_open_case_only(service, request_: tuple) -> None:
    client, cases, key, _ = service
    cases.begin("case-7", "report 12/26", LATER)
    cases.begin("over", "report", EARLIER)
    cases.begin("foreign", "report", LATER, keys=["somebody"])
    cases.begin("done", "report", LATER)
    cases.end("done")
    while ask(client, request_, why(key)) == 403:  # until the service has noticed the case
        pass
    assert ask(client, request_, why(key)) == 200
    for case in ("", "over", "foreign", "done", "unknown"):
        assert ask(client, request_, why(key, case)) == 403
    for purpose in ("", "..", "12345"):
        assert ask(client, request_, why(key, purpose=purpose)) == 403
    method, path, body = request_
    assert client.request(method, path, json=body, headers=why(key)).headers["cache-control"] == "no-store"
    cases.end("case-7")
    while ask(client, request_, why(key)) == 200:  # what is on a screen stops too, within a second
        pass


def test_cases_that_cannot_be_used_are_answered_alike(service) -> None:
    client, cases, key, _ = service
    cases.begin("foreign", "report", LATER, keys=["somebody"])
    cases.begin("over", "report", EARLIER)
    answers = [
        client.post("/v1/search", json={"text": "coat"}, headers=why(key, case)).content
        for case in ("unknown", "foreign", "over", "")
    ]
    assert len(set(answers)) == 1
    assert json.loads(answers[0])["type"] == "urn:cskt:problem:case-required"


def test_a_case_narrows_what_is_seen(service) -> None:
    client, cases, key, _ = service
    cases.begin("narrow", "report", LATER, cameras=["camera-1"])
    while ask(client, SHOWING[0], why(key, "narrow")) == 403:
        pass
    hits = client.post("/v1/search", json={"text": "coat", "top_k": 50}, headers=why(key, "narrow")).json()[
        "hits"
    ]
    assert {hit["camera"] for hit in hits} == {"camera-1"}
    assert client.get("/v1/items/5", headers=why(key, "narrow")).status_code == 404


def test_a_key_that_holds_too_much_is_refused_at_the_door(service) -> None:
    client, cases, _, everything = service
    cases.begin("case-7", "report", LATER)
    for _ in range(50):  # whatever the service has noticed of the case
        assert ask(client, SHOWING[0], why(everything)) == 403
    assert client.get("/v1/audit", headers=headers(everything)).status_code == 200


def test_a_refusal_and_its_reason_are_on_record(service) -> None:
    client, _, key, everything = service
    client.post("/v1/search", json={"text": "coat"}, headers=why(key, "no such case", "curious"))
    told = client.get("/v1/audit", headers=headers(everything)).json()
    refused = [one for one in told["records"] if one.get("refusal")]
    assert refused
    assert (refused[0]["case"], refused[0]["purpose"]) == ("no such case", "curious")
    assert "Cskt-Case" in refused[0]["refusal"]


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    store = CaseStore(tmp_path)
    store.begin("a", "report", LATER)
    store.end("a")
    with pytest.raises(CaseProblem, match="already"):
        store.begin("a", "another report", LATER)
    with pytest.raises(CaseProblem, match="no case b"):
        store.end("b")


@pytest.mark.parametrize("name", ["案件 1", "a b", "-a", "", "a/b", "a\n", "x" * 65])
def test_a_name_that_no_request_could_give_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CaseProblem, match="letters, digits"):
        CaseStore(tmp_path).begin(name, "report", LATER)


def test_a_case_narrows_what_is_counted(service) -> None:
    client, cases, key, _ = service
    cases.begin("narrow", "report", LATER, cameras=["camera-1"])
    while client.get("/v1/gallery", headers=why(key, "narrow")).json()["items"] != 4:
        pass
    assert client.get("/v1/gallery", headers=why(key, "narrow")).json()["cameras"] == {"camera-1": 4}
    found = client.post("/v1/search", json={"text": "coat"}, headers=why(key, "narrow")).json()
    assert found["gallery"]["items"] == 4
    timeline = "/v1/gallery/timeline?camera=camera-2"
    assert sum(client.get(timeline, headers=why(key, "narrow")).json()["counts"]) == 0
    client.app.state.searcher.upkeep.serving.gallery.rejected = lambda limit: [
        Rejected("k", "/a/7.jpg", "folder:/a", "no picture")
    ]
    assert client.get("/v1/gallery/rejected", headers=why(key, "narrow")).json()["rejected"] == []
    assert len(client.get("/v1/gallery/rejected", headers=headers(key)).json()["rejected"]) == 1


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state", str(tmp_path)]
    begin = ["case", "open", "--id", "case-7", "--basis", "warrant \x1b[2J", "--expires", "2d", *place]
    assert cli.main([*begin, "--cameras", "gate, shop"]) == 0
    case = CaseStore(tmp_path).find("case-7")
    assert case is not None
    assert case.cameras == ("gate", "shop")
    capsys.readouterr()
    assert cli.main(["case", "list", *place]) == 0
    told = capsys.readouterr().out
    assert "case-7  open" in told
    assert "\x1b" not in told
    assert cli.main(["case", "close", "case-7", *place]) == 0
    assert cli.main(begin) == 2
    assert cli.main(["case", "close", "nothing", *place]) == 2
    assert cli.main(["case", "open", "--id", "x", "--basis", "y", "--expires", "soon", *place]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_casework_does_not_start_without_keys(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CSKT_PROFILE", "casework")
    assert cli.main(["serve", "--gallery", str(tmp_path / "g")]) == 2
    told = capsys.readouterr().err
    assert "Casework needs keys" in told
    assert f"--gallery {tmp_path / 'g'}" in told
    monkeypatch.setenv("CSKT_STATE", str(tmp_path / "elsewhere"))
    assert cli.main(["serve", "--gallery", str(tmp_path / "g")]) == 2
    assert f"--state {tmp_path / 'elsewhere'}" in capsys.readouterr().err  # where it will look for them
    monkeypatch.delenv("CSKT_STATE")
    create = ["key", "create", "--name", "n", "--gallery", str(tmp_path / "g"), "--scopes"]
    assert cli.main([*create, "search,admin"]) == 2
    assert "no key has both" in capsys.readouterr().err
