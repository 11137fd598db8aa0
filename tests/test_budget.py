"""The daily budget of people against a dict that counts by hand, over days, processes and refusals."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyed_service import headers, keyed, make

from indexer.items import GalleryItem
from service.casework.budget import FILE, Budget
from service.casework.cases import CaseStore
from service.errors import BudgetSpent
from service.scopes import Scope

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def item_of(id: int) -> GalleryItem:
    """Rows 3n, 3n+1 and 3n+2 are one passage, but every row from 30 on is alone."""
    track = f"t{id // 3}" if id < 30 else None
    return GalleryItem(f"k{id}", f"u{id}", "here", camera="gate", track=track)


def person(id: int) -> str:
    return f"t{id // 3}" if id < 30 else f"row {id}"


REQUESTS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1), st.lists(st.integers(0, 40), max_size=8)),
    max_size=12,
)


@settings(deadline=None)
@given(REQUESTS, st.integers(1, 6))
def test_nobody_is_shown_more_people_a_day(tmp_path_factory, requests: list, most: int) -> None:
    moment = [NOON]
    budget = Budget(tmp_path_factory.mktemp("state"), most, lambda: moment[0])
    seen: dict[str, set[str]] = {}
    for key, days, ids in requests:
        if days:
            moment[0] += timedelta(days=days)
            seen = {}
        before = seen.get(key, set())
        after = before | {person(id) for id in ids}
        if len(after) <= most:
            budget.spend(key, ids, item_of)
            seen[key] = after
            assert budget.left(key) == most - len(after)
        else:
            with pytest.raises(BudgetSpent, match=f"has {most - len(before)} left") as refused:
                budget.spend(key, ids, item_of)
            assert refused.value.retry_after == 12 * 3600
    budget.close()


def test_it_is_shared_and_kept(tmp_path: Path) -> None:
    first, second = (Budget(tmp_path, 3, lambda: NOON) for _ in range(2))
    first.spend("a", [30, 31], item_of)
    second.spend("a", [32], item_of)
    first.close()
    again = Budget(tmp_path, 3, lambda: NOON)
    for budget in (second, again):
        with pytest.raises(BudgetSpent):
            budget.spend("a", [33], item_of)
        budget.spend("a", [30, 31, 32], item_of)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_what_is_left_goes_to_the_first(tmp_path: Path) -> None:
    budget = Budget(tmp_path, 3, lambda: NOON)
    budget.spend("a", [0], item_of)
    assert budget.spend_what_is_left("a", [30, 1, 31, 32, 2, 30], item_of) == [30, 1, 31, 2]
    assert budget.spend_what_is_left("a", [33, 31], item_of) == [31]
    with pytest.raises(BudgetSpent, match="has 0 left"):
        budget.spend("a", [32], item_of)
    budget.close()


def test_threads_share_it_to_the_last_person(tmp_path: Path) -> None:
    budget, got = Budget(tmp_path, 10, lambda: NOON), []

    def take(id: int) -> None:
        try:
            budget.spend("a", [id], item_of)
            got.append(id)
        except BudgetSpent:
            pass

    threads = [threading.Thread(target=take, args=(id,)) for id in range(30, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 10


def test_yesterday_is_forgotten(tmp_path: Path) -> None:
    moment = [NOON]
    budget = Budget(tmp_path, 3, lambda: moment[0])
    budget.spend("a", [30, 31], item_of)
    moment[0] += timedelta(days=1)
    budget.spend("b", [32], item_of)
    assert budget._file.read("SELECT day, key, item FROM seen") == [("2026-11-27", "b", 32)]


def test_a_service_in_casework_keeps_to_it_and_records_the_refusal(tmp_path: Path) -> None:
    CaseStore(tmp_path).begin("case-7", "report", "2999-01-01T00:00:00.000Z")
    with keyed(tmp_path, profile="casework", people_per_day=5) as (client, store):
        auditor = headers(make(store, Scope.AUDIT))
        shown = headers(make(store, Scope.SEARCH)) | {"Cskt-Case": "case-7", "Cskt-Purpose": "missing child"}

        def search(text: str, top_k: int):
            return client.post("/v1/search", json={"text": text, "top_k": top_k}, headers=shown)

        while client.get("/v1/gallery").status_code != 401:  # until the keys have been noticed
            pass
        answer = search("blue dress", 4)
        assert (answer.status_code, answer.headers["cskt-people-left"]) == (200, "1")
        rows = [hit["id"] for hit in answer.json()["hits"]]
        cut = search("blue dress", 8)  # the fifth is new and the last one; the sixth would be one too many
        assert [hit["id"] for hit in cut.json()["hits"]][:4] == rows
        assert (len(cut.json()["hits"]), cut.json()["next_offset"]) == (5, 5)
        assert cut.headers["cskt-people-left"] == "0"
        assert search("blue dress", 4).json()["hits"] == answer.json()["hits"]
        refused = client.post("/v1/search", json={"text": "blue dress", "offset": 5}, headers=shown)
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:cskt:problem:budget-spent"
        assert int(refused.headers["retry-after"]) > 0
        rows = [hit["id"] for hit in cut.json()["hits"]]
        others = [0, *(id for id in range(1, 13) if id not in rows)]
        assert client.get(f"/v1/images/{rows[4]}", headers=shown).status_code == 200
        assert client.get(f"/v1/images/{others[1]}", headers=shown).status_code == 429
        assert client.get(f"/v1/items/{others[1]}", headers=shown).status_code == 429
        records = client.get("/v1/audit", headers=auditor).json()["records"]
        told = [one for one in records if "different people a day" in one.get("refusal", "")]
        assert [(one["action"], one["shown"]) for one in told] == [("search", []), ("view", []), ("view", [])]


def test_a_key_that_tries_what_it_may_not_is_on_record(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        searcher, auditor = headers(make(store, Scope.SEARCH)), headers(make(store, Scope.AUDIT))
        while client.get("/v1/gallery").status_code != 401:
            pass
        assert client.delete("/v1/items/4", headers=searcher).status_code == 403
        told = client.get("/v1/audit", headers=auditor).json()["records"]
        assert ("remove", 403) in {(one["action"], one["status"]) for one in told}
        assert client.get("/v1/items/4", headers=searcher).status_code == 200
