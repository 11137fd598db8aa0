"""Every route x every role x every kind of row: who gets what, against a table written down here."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from keyed_service import headers, keyed, make
from service_toys import jpeg

from service.access import ACCESS
from service.app import create_app
from service.casework.cases import CaseStore
from service.schemas.examples import UPLOADS
from service.scopes import Scope

ANYBODY = frozenset(Scope)
SEARCH, INDEX, ERASE, AUDIT, ADMIN, METRICS = (
    frozenset({scope})
    for scope in (Scope.SEARCH, Scope.INDEX, Scope.ERASE, Scope.AUDIT, Scope.ADMIN, Scope.METRICS)
)
OPEN = None
QUERY = {"text": "blue dress"}

# operation -> (method, address, body, who may): written by hand, not taken from the code
TABLE = {
    "livez": ("GET", "/livez", None, OPEN),
    "readyz": ("GET", "/readyz", None, OPEN),
    "page": ("GET", "/", None, OPEN),
    "page_file": ("GET", "/static/app.js", None, OPEN),
    "begin_session": ("POST", "/v1/session", {"key": "cskt_a_b"}, OPEN),
    "change_session": ("PUT", "/v1/session", {}, ANYBODY),
    "end_session": ("DELETE", "/v1/session", None, ANYBODY),
    "get_session": ("GET", "/v1/session", None, ANYBODY),
    "docs": ("GET", "/docs", None, ANYBODY),
    "openapi": ("GET", "/openapi.json", None, ANYBODY),
    "metrics": ("GET", "/metrics", None, METRICS),
    "search": ("POST", "/v1/search", QUERY, SEARCH),
    "search_batch": ("POST", "/v1/search/batch", {"searches": [QUERY]}, SEARCH),
    "get_encoder": ("GET", "/v1/encoder", None, ANYBODY),
    "create_embeddings": ("POST", "/v1/embeddings", {"input": "coat"}, SEARCH | INDEX),
    "get_gallery": ("GET", "/v1/gallery", None, SEARCH | INDEX | ADMIN),
    "get_item": ("GET", "/v1/items/1", None, SEARCH),
    "get_neighbours": ("GET", "/v1/items/1/neighbours", None, SEARCH),
    "get_evidence": ("POST", "/v1/items/1/evidence", {"text": "a blue dress"}, SEARCH),
    "upload_items": ("POST", "/v1/items", UPLOADS["one"]["value"], INDEX),
    "delete_item": ("DELETE", "/v1/items/12", None, ERASE),
    "get_image": ("GET", "/v1/images/1", None, SEARCH),
    "get_timeline": ("GET", "/v1/gallery/timeline", None, SEARCH | INDEX | ADMIN),
    "get_jobs": ("GET", "/v1/gallery/jobs", None, SEARCH | INDEX | ADMIN),
    "get_rejected": ("GET", "/v1/gallery/rejected", None, SEARCH | INDEX | ADMIN),
    "export_search": ("POST", "/v1/search/export", {"search": QUERY}, SEARCH),
    "list_cases": ("GET", "/v1/cases", None, SEARCH | ADMIN),
    "open_case": ("POST", "/v1/cases", {"id": "case-8", "basis": "report 8/26"}, ADMIN),
    "get_case": ("GET", "/v1/cases/case-7", None, SEARCH),
    "add_entry": ("POST", "/v1/cases/case-7/entries", {"kind": "pin", "item": 1}, SEARCH),
    "get_report": ("GET", "/v1/cases/case-7/report", None, SEARCH),
    "close_case": ("DELETE", "/v1/cases/case-8", None, ADMIN),
    "read_audit": ("GET", "/v1/audit", None, AUDIT),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """A client, and a key of each role."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.app.BAD_KEYS_PER_MINUTE", 0)  # tests/test_auth.py is about that limit
        yield from _service(folder)


def _service(folder: Path) -> Iterator[tuple[TestClient, dict[str, str]]]:
    with keyed(folder) as (client, store):
        keys = {scope.value: make(store, scope) for scope in Scope}
        narrow = {"one camera": Scope.SEARCH, "erases": Scope.ERASE, "uploads": Scope.INDEX}
        keys |= {name: make(store, scope, cameras=("camera-1",)) for name, scope in narrow.items()}
        keys["expired"] = make(store, *Scope, expires="2026-01-01T00:00:00.000Z")
        keys["revoked"] = make(store, *Scope)
        store.revoke(keys["revoked"].split("_")[1])
        keys["unknown"] = "cskt_0123456789ab_" + "x" * 43
        keys["another secret"] = keys["search"][:-1] + ("a" if keys["search"][-1] != "a" else "b")
        keys["no key of ours"] = "Zm9vYmFy"
        while client.get("/v1/gallery").status_code != 401:  # until the service has noticed the keys
            pass
        CaseStore(folder).begin("case-7", "report 7/26", "2999-01-01T00:00:00.000Z")
        yield client, keys


def ask(client: TestClient, operation: str, key: str | None):
    method, path, body, _ = TABLE[operation]
    return client.request(method, path, json=body, headers=headers(key) if key else {})


def upload(service, key: str, name: str, camera: str) -> dict[str, object]:
    """What one crop of that name becomes."""
    client, keys = service
    crop = {"image": base64.b64encode(jpeg()).decode(), "key": name, "camera": camera}
    answer = client.post("/v1/items", json={"items": [crop]}, headers=headers(keys[key]))
    assert answer.status_code == 200
    return answer.json()["items"][0]


def remove(service, id: object) -> int:
    client, keys = service
    return client.delete(f"/v1/items/{id}", headers=headers(keys["erase"])).status_code


def test_the_table_names_every_route() -> None:
    def routes(holder) -> Iterator[APIRoute]:
        for route in holder.routes:
            if isinstance(route, APIRoute):
                yield route
            elif hasattr(route, "effective_candidates"):
                yield from (candidate.original_route for candidate in route.effective_candidates())

    assert {route.name for route in routes(create_app())} == set(TABLE) == set(ACCESS)


def test_the_description_says_what_asks_for_a_key_and_how_it_refuses() -> None:
    told = create_app().openapi()
    operations = [one for methods in told["paths"].values() for one in methods.values()]
    assert len(operations) > 20
    for operation in operations:
        keyed = TABLE[operation["operationId"]][3] is not OPEN
        assert operation.get("security", []) == ([{"key": []}] if keyed else []), operation["operationId"]
        assert not keyed or {"401", "403", "429"} <= set(operation["responses"])
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


@pytest.mark.parametrize("operation", TABLE)
@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_opens_what_the_table_says(service, operation: str, scope: Scope) -> None:
    client, keys = service
    answer = ask(client, operation, keys[scope.value])
    allowed = TABLE[operation][3]
    if operation == "begin_session":
        assert answer.status_code == 401  # whoever asks: the key in the body is no key
    elif operation == "change_session":
        assert answer.status_code == 404  # let in, but nobody has signed in with a browser
    elif allowed is OPEN or scope in allowed:
        assert answer.status_code in (200, 201, 204), answer.text
    else:
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:cskt:problem:forbidden"


@pytest.mark.parametrize("operation", TABLE)
def test_without_a_good_key_every_address_answers_the_same(service, operation: str) -> None:
    client, keys = service
    shown = [
        None,
        keys["expired"],
        keys["revoked"],
        keys["unknown"],
        keys["another secret"],
        keys["no key of ours"],
    ]
    if TABLE[operation][3] is OPEN:
        assert {ask(client, operation, key).status_code for key in shown} <= {200, 401}
        return
    nothing_there = client.get("/nowhere/at/all")
    for key in shown:
        answer = ask(client, operation, key)
        assert (answer.status_code, answer.content) == (401, nothing_there.content)
        assert alike(answer) == alike(nothing_there)


def alike(answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


ABOUT_A_ROW = {
    "facts": ("GET", "/v1/items/{}", None, "one camera"),
    "picture": ("GET", "/v1/images/{}", None, "one camera"),
    "passage": ("GET", "/v1/items/{}/neighbours", None, "one camera"),
    "time": ("GET", "/v1/items/{}/neighbours?kind=time", None, "one camera"),
    "alike": ("GET", "/v1/items/{}/neighbours?kind=similar", None, "one camera"),
    "evidence": ("POST", "/v1/items/{}/evidence", {"text": "a blue dress"}, "one camera"),
    "search": ("POST", "/v1/search", {"parts": [{"item": "{}"}]}, "one camera"),
    "export": ("POST", "/v1/search/export", {"search": {"parts": [{"item": "{}"}]}}, "one camera"),
    "pin": ("POST", "/v1/cases/case-7/entries", {"kind": "pin", "item": "{}"}, "one camera"),
    "unpin": ("POST", "/v1/cases/case-7/entries", {"kind": "unpin", "item": "{}"}, "one camera"),
    "decision": (
        "POST",
        "/v1/cases/case-7/entries",
        {"kind": "decision", "item": "{}", "query": "a coat", "verdict": "not"},
        "one camera",
    ),
    "removing": ("DELETE", "/v1/items/{}", None, "erases"),
}


@pytest.mark.parametrize("about", ABOUT_A_ROW)
def test_a_foreign_row_is_like_an_unknown_one(service, about: str) -> None:
    client, keys = service
    method, path, body, key = ABOUT_A_ROW[about]

    def asked(id: int):
        sent = body and json.loads(json.dumps(body).replace('"{}"', str(id)))
        return client.request(method, path.format(id), json=sent, headers=headers(keys[key]))

    own = upload(service, "uploads", "to go", "camera-1")["id"] if about == "removing" else 4
    assert asked(own).status_code in (200, 201, 204)
    foreign, unknown = asked(5), asked(99)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace("5", "") == unknown.text.replace("99", "")
    assert alike(foreign) == alike(unknown) | {"content-length": foreign.headers["content-length"]}


def test_one_camera_is_all_that_a_narrow_key_finds(service) -> None:
    client, keys = service
    narrow, wide = headers(keys["one camera"]), headers(keys["search"])
    body = {"text": "blue dress", "top_k": 50}
    everything = client.post("/v1/search", json=body, headers=wide).json()["hits"]
    mine = client.post("/v1/search", json=body, headers=narrow).json()["hits"]
    assert mine == [hit for hit in everything if hit["camera"] == "camera-1"]
    assert len(mine) == 4
    for filter in ({"cameras": ["camera-2"]}, {"where": "camera = camera-2 or hat = true"}):
        found = client.post("/v1/search", json=body | {"filter": filter}, headers=narrow).json()
        assert {hit["camera"] for hit in found["hits"]} <= {"camera-1"}
        assert found["gallery"]["passing"] == len(found["hits"])  # of the others it learns not even how many
    foreign = {"parts": [{"text": "coat"}, {"item": 5, "weight": -1}]}
    unknown = {"parts": [{"text": "coat"}, {"item": 99, "weight": -1}]}
    answers = [client.post("/v1/search", json=one, headers=narrow) for one in (foreign, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace("5", "") == answers[1].text.replace("99", "")


def test_an_upload_tells_a_narrow_key_no_foreign_row(service) -> None:
    foreign = upload(service, "index", "foreign", "camera-2")
    removed = upload(service, "index", "removed", "camera-2")
    own = upload(service, "uploads", "own", "camera-1")
    assert foreign["status"] == removed["status"] == own["status"] == "stored"
    assert remove(service, removed["id"]) == 204
    told = [upload(service, "uploads", name, "camera-1") for name in ("foreign", "removed")]
    assert [(one["status"], one["id"], one["reason"]) for one in told] == [("known", None, None)] * 2
    again = upload(service, "uploads", "own", "camera-1")
    assert (again["status"], again["id"]) == ("known", own["id"])
    assert [remove(service, one["id"]) for one in (foreign, own)] == [204, 204]


def test_a_narrow_key_learns_nothing_about_other_cameras(service) -> None:
    client, keys = service
    told = client.get("/v1/gallery", headers=headers(keys["one camera"]))
    assert told.json()["cameras"] == {"camera-1": 4}
    assert told.json()["items"] == 4
    for word in ("camera-0", "camera-2", "manifest", "2026-05"):
        assert word not in told.text


def test_nothing_that_leaves_holds_a_key_or_a_path(service, tmp_path: Path, caplog) -> None:
    client, keys = service
    caplog.set_level("DEBUG")
    key = keys["search"]
    answers = [ask(client, operation, key) for operation in TABLE]
    answers += [
        client.get(path, headers=headers(key)) for path in ("/v1/items/x", "/v1/images/-1", "/v1/nothing")
    ]
    told = "".join(answer.text + str(answer.headers) for answer in answers)
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("cskt"))
    root = str(Path(__file__).parents[1])
    for secret in (key, key.split("_", 2)[2], "/secret/folder", root, "site-packages"):
        assert secret not in told
        assert secret not in logged
    assert "blue dress" not in logged
