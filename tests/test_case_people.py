"""Whose word counts in the file of a case, and who is told what of it."""

from contextlib import closing
from pathlib import Path

from keyed_service import headers, keyed, make, write

from service.casework.cases import CaseStore
from service.casework.entries import Entries, Entry
from service.scopes import Scope

LATER = "2999-01-01T00:00:00.000Z"


def test_who_comes_round_to_what_was_said_confirms_nothing(tmp_path: Path) -> None:
    with keyed(tmp_path, profile="casework") as (client, store):
        CaseStore(tmp_path).begin("case-7", "report", LATER)
        keys = [make(store, Scope.SEARCH, name=name) for name in ("Ada", "Grace", "Hedy")]
        ada, grace, hedy = (
            headers(key) | {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"} for key in keys
        )
        while client.get("/v1/cases/case-7", headers=hedy).status_code != 200:
            pass

        def state(shown: dict[str, str], verdict: str) -> str:
            decide = {"kind": "decision", "item": 4, "query": "blue dress", "verdict": verdict}
            (found,) = write(client, shown, **decide).json()["findings"]
            return str(found["state"])

        assert [state(ada, "same"), state(grace, "unsure"), state(grace, "same")] == ["one more"] * 3
        (found,) = client.get("/v1/cases/case-7", headers=hedy).json()["findings"]
        assert found["state"] == "hidden"  # two have decided, and still hers is the one that counts
        assert {said["verdict"] for said in found["decisions"]} == {None}
        assert state(hedy, "same") == "confirmed"


def test_two_keys_of_one_name_are_one_person(tmp_path: Path) -> None:
    with keyed(tmp_path, profile="casework") as (client, store):
        CaseStore(tmp_path).begin("case-7", "report", LATER)
        keys = [make(store, Scope.SEARCH, name=name) for name in ("Ada Byron", " ada  BYRON", "Grace")]
        shown = [headers(key) | {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"} for key in keys]
        while client.get("/v1/cases/case-7", headers=shown[2]).status_code != 200:
            pass
        decide = {"kind": "decision", "item": 4, "query": "blue dress", "verdict": "same"}
        states = [write(client, one, **decide).json()["findings"][0]["state"] for one in shown]
        assert states == ["one more", "one more", "confirmed"]


def test_a_narrow_key_neither_sees_nor_takes_off_what_is_not_of_its_cameras(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        CaseStore(tmp_path).begin("case-7", "report", LATER)
        wide = headers(make(store, Scope.SEARCH, Scope.ERASE))
        narrow = headers(make(store, Scope.SEARCH, cameras=("camera-1",)))
        while client.get("/v1/gallery").status_code != 401:
            pass
        for item in (1, 2, 3):
            write(client, wide, kind="pin", item=item)
        assert client.delete("/v1/items/3", headers=wide).status_code == 204
        for item in (2, 3, 9):  # of another camera, of nobody any more, of nobody pinned
            refused = write(client, narrow, kind="unpin", item=item)
            assert refused.status_code == 404
            assert refused.json()["detail"] == f"Number {item} is not pinned in this file."
        told = client.get("/v1/cases/case-7", headers=narrow).json()
        assert ([pin["id"] for pin in told["pins"]], told["withheld"]) == ([1], 2)
        assert len(client.get("/v1/cases/case-7", headers=wide).json()["pins"]) == 3
        assert write(client, narrow, kind="unpin", item=1).status_code == 201


def test_a_spent_budget_stops_no_note_and_hides_who_is_too_many(tmp_path: Path) -> None:
    CaseStore(tmp_path).begin("case-7", "report", LATER)
    with closing(Entries(tmp_path)) as entries:
        for item in range(1, 6):
            entries.add("case-7", Entry("pin", "k", "Grace", item))
    with keyed(tmp_path, profile="casework", people_per_day=3) as (client, store):
        shown = headers(make(store, Scope.SEARCH))
        shown |= {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"}
        while client.get("/v1/gallery").status_code != 401:
            pass
        unasked = client.get("/v1/cases/case-7?people=false", headers=shown)
        assert unasked.headers["cskt-people-left"] == "3"
        assert [(pin["item"], pin["missing"]) for pin in unasked.json()["pins"]] == [(None, "unasked")] * 5
        file = client.get("/v1/cases/case-7", headers=shown).json()
        assert [pin["missing"] for pin in file["pins"]] == [None, None, None, "budget", "budget"]
        assert client.get("/v1/cases/case-7/report", headers=shown).text.count("data:image/jpeg") == 3
        assert len(write(client, shown, kind="note", words="at the gate").json()["notes"]) == 1
        refused = write(client, shown, kind="decision", item=9, query="coat", verdict="same")
        assert refused.status_code == 429
        decided = write(client, shown, kind="decision", item=2, query="coat", verdict="same").json()
        assert [found["id"] for found in decided["findings"]] == [2]


def test_in_casework_only_the_case_that_was_named_is_open(tmp_path: Path) -> None:
    with keyed(tmp_path, profile="casework") as (client, store):
        shown = headers(make(store, Scope.SEARCH))
        for name in ("a", "b"):
            CaseStore(tmp_path).begin(name, "report", LATER)
        why = shown | {"Cskt-Case": "a", "Cskt-Purpose": "missing child"}
        while client.get("/v1/cases/a", headers=why).status_code != 200:
            pass
        assert client.get("/v1/cases/b", headers=why).status_code == 404
        assert client.get("/v1/cases/a", headers=shown).status_code == 403
