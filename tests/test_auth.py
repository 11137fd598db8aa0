"""Sessions, limits of rate, and whose address counts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from keyed_service import ADDRESS, headers, keyed, make

from model.errors import ConfigError
from service.casework.cases import CaseStore
from service.limits import MOST_KNOWN, RateLimit
from service.scopes import Scope
from service.sessions import MOST, MOST_OF_A_KEY, Sessions
from service.settings import Settings, read_settings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def signed_in(client, key: str, **more: str):
    answer = client.post("/v1/session", json={"key": key, **more})
    assert answer.status_code == 204, answer.text
    return answer


def test_a_browser_signs_in_and_out(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        key = make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        cookie = signed_in(client, key, case="case 7", purpose="missing child").headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert key.lower() not in cookie
        assert client.get("/v1/images/1").status_code == 200
        told = client.get("/v1/session").json()
        assert (told["scopes"], told["case"], told["purpose"]) == (["search"], "case 7", "missing child")
        elsewhere = {"sec-fetch-site": "cross-site"}
        assert client.post("/v1/search", json={"text": "coat"}, headers=elsewhere).status_code == 401
        foreign = {"origin": "https://evil.example"}
        assert client.post("/v1/search", json={"text": "coat"}, headers=foreign).status_code == 401
        same = {"origin": "http://127.0.0.1:8000"}
        assert client.post("/v1/search", json={"text": "coat"}, headers=same).status_code == 200
        before = dict(client.cookies)
        assert client.delete("/v1/session").status_code == 204
        client.cookies.update(before)  # a copy of the cookie is of no use either
        assert client.get("/v1/gallery").status_code == 401


def test_a_cookie_is_for_tls_alone_where_the_client_came_by_it(tmp_path: Path) -> None:
    for number, proxies in enumerate(((), ("10.0.0.0/8",))):
        folder = tmp_path / str(number)
        with keyed(folder, trusted_proxies=proxies) as (client, store):
            key = make(store, Scope.SEARCH)
            while client.get("/v1/gallery").status_code == 200:
                pass
            behind = TestClient(client.app, base_url=ADDRESS, client=("10.1.2.3", 5))
            told = behind.post("/v1/session", json={"key": key}, headers={"X-Forwarded-Proto": "https"})
            assert ("secure" in told.headers["set-cookie"].lower()) == bool(proxies)
            plain = behind.post("/v1/session", json={"key": key}, headers={"X-Forwarded-Proto": "http"})
            assert "secure" not in plain.headers["set-cookie"].lower()


def test_a_session_is_for_one_case_whatever_headers_say(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        key, other = make(store, Scope.SEARCH), make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        signed_in(client, key, case="a", purpose="missing child")

        def told(shown: dict[str, str]) -> tuple[str, str]:
            answer = client.get("/v1/session", headers=shown).json()
            return answer["case"], answer["purpose"]

        named = {"Cskt-Case": "elsewhere", "Cskt-Purpose": "something else"}
        assert told(named) == ("a", "missing child")
        assert told(named | headers(other)) == ("elsewhere", "something else")
        assert client.put("/v1/session", json={"case": "b"}, headers=headers(other)).status_code == 404
        assert client.put("/v1/session", json={"case": "b", "purpose": "theft"}).status_code == 204
        assert told(named) == ("b", "theft")
        foreign = {"sec-fetch-site": "cross-site"}
        assert client.put("/v1/session", json={"case": "c"}, headers=foreign).status_code == 401
        client.put("/v1/session", json={})
        assert told({}) == ("", "")


def test_in_casework_a_session_is_for_an_open_case_only(tmp_path: Path) -> None:
    with keyed(tmp_path, profile="casework") as (client, store):
        cases = CaseStore(tmp_path)
        for name in ("a", "b"):
            cases.begin(name, "report", "2999-01-01T00:00:00.000Z")
        cases.begin("closed", "report", "2999-01-01T00:00:00.000Z")
        cases.end("closed")
        key, reader = make(store, Scope.SEARCH), headers(make(store, Scope.AUDIT))
        while client.get("/v1/gallery").status_code == 200:
            pass
        refused = client.post("/v1/session", json={"key": key, "case": "closed", "purpose": "a theft"})
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:cskt:problem:case-required")
        assert not client.cookies
        signed_in(client, key)  # without a case, which is chosen afterwards
        assert client.post("/v1/search", json={"text": "coat"}).status_code == 403
        assert client.put("/v1/session", json={"case": "a", "purpose": "a theft"}).status_code == 204
        assert client.post("/v1/search", json={"text": "coat"}).status_code == 200
        for case, purpose in (("closed", "a theft"), ("unknown", "a theft"), ("b", "-")):
            answer = client.put("/v1/session", json={"case": case, "purpose": purpose})
            assert answer.json()["type"] == "urn:cskt:problem:case-required"
        assert client.get("/v1/session").json()["case"] == "a"
        read = client.get("/v1/audit?action=session", headers=reader).json()
        refused = [(one["case"], one["status"]) for one in read["records"] if one["refusal"]]
        assert sorted(refused) == [("b", 403), ("closed", 403), ("closed", 403), ("unknown", 403)]


def test_a_revoked_key_ends_its_sessions(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        key = make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        signed_in(client, key)
        assert client.get("/v1/gallery").status_code == 200
        store.revoke(key.split("_")[1])
        while client.get("/v1/gallery").status_code == 200:
            pass
        assert client.get("/v1/gallery").status_code == 401


def test_sessions_end_by_time_and_by_number() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first = sessions.begin("a", "case", "why")
    assert sessions.find(first) is not None
    clock.now += 12 * 3600
    assert sessions.find(first) is None
    tokens = [sessions.begin(str(number), "", "") for number in range(MOST + 5)]
    assert [sessions.find(token) is None for token in tokens[:6]] == [True] * 5 + [False]


def test_who_signs_in_again_and_again_ends_sessions_of_its_own() -> None:
    sessions = Sessions()
    another = sessions.begin("b", "", "")
    tokens = [sessions.begin("a", "", "") for _ in range(MOST + 5)]
    assert sessions.find(another) is not None
    assert [token for token in tokens if sessions.find(token)] == tokens[-MOST_OF_A_KEY:]


def test_guessing_keys_is_slowed_down(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        good = make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        answers = [client.get("/v1/gallery", headers=headers(f"cskt_a_{n}")).status_code for n in range(15)]
        assert answers == [401] * 10 + [429] * 5
        refused = client.get("/v1/gallery", headers=headers("cskt_a_b"))
        assert int(refused.headers["retry-after"]) >= 1
        signing_in = [client.post("/v1/session", json={"key": f"cskt_a_{n}"}) for n in range(3)]
        assert [answer.status_code for answer in signing_in] == [429] * 3
        assert int(signing_in[0].headers["retry-after"]) >= 1
        # who shares the address and has a key is not kept out
        assert client.post("/v1/session", json={"key": good}).status_code == 204
        assert client.get("/v1/gallery", headers=headers(good)).status_code == 200


def test_a_key_asks_so_often_and_no_oftener(tmp_path: Path) -> None:
    with keyed(tmp_path, requests_per_minute=5) as (client, store):
        one, other = make(store, Scope.SEARCH), make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        answers = [client.get("/v1/gallery", headers=headers(one)).status_code for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
        assert client.get("/v1/gallery", headers=headers(other)).status_code == 200
        assert client.get("/livez").status_code == 200


def asked_by_lines(folder: Path) -> list[int]:
    """Answers to a client that says another address each time, behind a proxy with a line of its own."""
    trusting = {"trusted_proxies": ("10.0.0.0/8",), "requests_per_minute_address": 3}
    with keyed(folder, **trusting) as (client, _):
        client._transport.client = ("10.0.0.9", 5000)
        lines = [
            [("X-Forwarded-For", f"1.2.3.{number}"), ("X-Forwarded-For", "5.6.7.8")] for number in range(5)
        ]
        return [client.get("/v1/gallery", headers=both).status_code for both in lines]


def test_the_address_is_what_a_trusted_proxy_says(tmp_path: Path) -> None:
    def asked(settings: dict[str, object]) -> list[int]:
        with keyed(tmp_path, requests_per_minute_address=3, **settings) as (client, _):
            client._transport.client = ("10.0.0.9", 5000)  # the proxy
            return [
                client.get("/v1/gallery", headers={"X-Forwarded-For": f"1.2.3.4, 5.6.7.{n}"}).status_code
                for n in range(5)
            ]

    assert asked({"trusted_proxies": ("10.0.0.0/8",)}) == [200] * 5  # five different clients
    assert asked_by_lines(tmp_path) == [200] * 3 + [429] * 2  # one client, whatever it says itself
    assert 429 in asked({})  # nobody is believed: one client


def test_a_proxy_that_is_no_address_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="CSKT_TRUSTED_PROXIES"):
        read_settings({"trusted_proxies": ("my proxy",)})
    assert Settings().trusted_proxies == ()


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from("ab")), max_size=80),
)
def test_a_bucket_never_lets_through_more_than_it_may(most: int, asked: list[tuple[float, str]]) -> None:
    clock = Clock()
    limit = RateLimit(most, clock)
    passed: dict[str, list[float]] = {"a": [], "b": []}
    for pause, name in asked:
        clock.now += pause
        wait = limit.take(name)
        if not wait:
            passed[name].append(clock.now)
        else:  # after the time it names it may
            clock.now += wait
            assert limit.take(name) == 0
            passed[name].append(clock.now)
    for times in passed.values():
        for start, first in enumerate(times):
            for end in range(start, len(times)):
                allowed = most + (times[end] - first) * most / 60
                assert end - start + 1 <= allowed + 1e-6


def test_buckets_do_not_pile_up() -> None:
    limit = RateLimit(5, Clock())
    for number in range(MOST_KNOWN + 100):
        limit.take(str(number))
    assert len(limit._buckets) == MOST_KNOWN
    assert [limit.take("0") for _ in range(6)].count(0) == 5


def test_no_limit_is_no_limit() -> None:
    limit = RateLimit(0)
    assert not any(limit.take("a") for _ in range(1000))


def test_the_audit_log_is_for_no_key_of_some_cameras(tmp_path: Path) -> None:
    """Such keys were made by earlier versions."""
    with keyed(tmp_path) as (client, store):
        narrow, wide = headers(make(store, Scope.AUDIT)), headers(make(store, Scope.AUDIT))
        while client.get("/v1/audit", headers=wide).status_code != 200:
            pass
        with closing(sqlite3.connect(tmp_path / "keys.db")) as keys, keys:
            keys.execute("UPDATE key SET cameras = '[\"gate\"]' WHERE rowid = 1")
        while (refused := client.get("/v1/audit", headers=narrow)).status_code == 200:
            pass
        assert refused.status_code == 403
        told = client.get("/v1/audit", headers=wide).json()["records"]
        assert "about all cameras" in told[-1]["refusal"]
