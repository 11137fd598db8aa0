"""The service through its real HTTP stack: answers, refusals as problem+json, headers, and nothing leaks."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from served_toys import ask, assert_problem, gallery, serving
from service_toys import ToyEncoder, person


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving(ToyEncoder(), gallery()) as client:
        yield client


def test_search_answers_the_contract(client: TestClient) -> None:
    response = ask(client, text="blue dress", top_k=3)
    assert response.status_code == 200
    body = response.json()
    part = {"text": "blue dress", "tokens": 4, "truncated": False}
    assert body["query"] == part | {"texts": [part]}
    assert len(body["hits"]) == 3
    best = body["hits"][0]
    assert best.pop("score") == pytest.approx(1.0, abs=1e-5)
    assert best.pop("probability") is None  # twelve rows say too little about themselves
    assert body["judgement"]["convincing"] is None
    assert best == {
        "others": [],
        "id": 5,
        "camera": "camera-2",
        "seen_at": "2026-05-01T05:00:00.000Z",
        "track": "track-5",
        "source": "manifest:people.csv",
        "attributes": {"upper": "blue", "number": 5, "hat": False},
        "image_url": "/v1/images/5",
    }
    assert body["gallery"] == {
        "items": 12,
        "passing": 12,
        "generation": 1,
        "encoder": "toy",
        "fingerprint": "toy0123456789abcdef",
    }
    assert set(body["took_ms"]) == {"encode", "search", "total"}
    scores = [hit["score"] for hit in ask(client, text="blue dress").json()["hits"]]
    assert len(scores) == 12
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, set(range(1, 13))),
        ({"cameras": ["camera-1", "camera-2"]}, {1, 2, 4, 5, 7, 8, 10, 11}),
        ({"tracks": ["track-3", "track-nobody"]}, {3}),
        ({"sources": ["folder:elsewhere"]}, set()),
        ({"sources": ["manifest:people.csv", "folder:elsewhere"], "tracks": ["track-1"]}, {1}),
        ({"seen_from": "2026-05-01T10:00:00Z"}, {10, 11, 12}),
        ({"seen_from": "2026-05-01T12:00:00+02:00", "seen_until": "2026-05-01T12:00"}, {10, 11}),
        ({"seen_from": "2026-05-02T00:00:00Z", "seen_until": "2026-05-01T00:00:00Z"}, set()),
        ({"attributes": {"upper": "red", "hat": True}}, {2}),
        ({"attributes": {"number": 7}}, {7}),
    ],
)
def test_filters_narrow_what_is_found(client: TestClient, where: dict[str, object], ids: set[int]) -> None:
    response = ask(client, text="coat", filter=where)
    assert response.status_code == 200
    assert {hit["id"] for hit in response.json()["hits"]} == ids
    first = ask(client, text="coat", filter=where, top_k=1).json()["gallery"]
    assert (first["passing"], first["items"]) == (len(ids), 12)
    assert ask(client, text="coat").json()["gallery"]["passing"] == 12


def test_a_long_text_is_cut_and_the_answer_says_so(client: TestClient) -> None:
    query = ask(client, text=" ".join(["red"] * 100)).json()["query"]
    assert (query["tokens"], query["truncated"]) == (102, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "text"),
        ({"text": ""}, "empty"),
        ({"text": " \n "}, "letters"),
        ({"text": "!?"}, "letters"),
        ({"text": 7}, "text"),
        ({"text": None}, "text"),
        ({"text": ["red"]}, "text"),
        ({"text": "red", "top_k": 0}, "top_k"),
        ({"text": "red", "top_k": 201}, "top_k"),
        ({"text": "red", "top_k": "5"}, "top_k"),
        ({"text": "red", "top_k": 2.5}, "top_k"),
        ({"text": "red", "top_k": True}, "top_k"),
        ({"text": "red", "limit": 5}, "limit"),
        ({"text": "red", "filter": {"colour": "red"}}, "filter.colour"),
        ({"text": "red", "filter": []}, "filter"),
        ({"text": "red", "filter": {"cameras": "gate"}}, "filter.cameras"),
        ({"text": "red", "filter": {"cameras": []}}, "filter.cameras"),
        ({"text": "red", "filter": {"cameras": [1]}}, "filter.cameras.0"),
        ({"text": "red", "filter": {"seen_from": "yesterday"}}, "filter.seen_from"),
        ({"text": "red", "filter": {"seen_until": 5}}, "filter.seen_until"),
        ({"text": "red", "filter": {"seen_from": "0001-01-01T00:00:00+23:00"}}, "filter.seen_from"),
        ({"text": "red", "filter": {"attributes": {"hat": None}}}, "filter.attributes"),
        ({"text": "red", "filter": {"attributes": {"hat": {}}}}, "filter.attributes"),
        ([], "JSON object"),
        ("red", "JSON object"),
    ],
)
def test_bad_requests_are_422_and_name_the_field(client: TestClient, body: object, says: str) -> None:
    problem = assert_problem(client.post("/v1/search", json=body), 422)
    assert says in problem.detail
    assert (problem.title, problem.instance) == ("Invalid request", "/v1/search")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b'{"text": "red"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"text": "red", "top_k": ' + b"9" * 5000 + b"}", 400),
        (b'{"text": "\\ud800 red"}', 422),
        (b'{"text": "red", "filter": {"cameras": ["\\udfff"]}}', 422),
        (b'{"text": "red", "\\ud800\\n": 1}', 422),
        (b'{"text": "red", "filter": {"attributes": {"x": NaN}}}', 422),
        (b'{"text": "red", "top_k": 1e400}', 422),
    ],
    ids=[
        "none",
        "open",
        "cut",
        "not utf-8",
        "nested",
        "digits",
        "surrogate",
        "surrogate name",
        "surrogate field",
        "NaN",
        "infinite",
    ],
)
def test_bodies_that_are_no_json_of_ours(client: TestClient, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post("/v1/search", content=content, headers=headers), status)


def test_json_must_be_declared_so_that_no_foreign_page_can_post_it(client: TestClient) -> None:
    headers = {"Content-Type": "text/plain"}
    problem = assert_problem(client.post("/v1/search", content=b'{"text": "red"}', headers=headers), 422)
    assert "Content-Type" in problem.detail


def test_a_large_body_is_413_declared_or_not(client: TestClient) -> None:
    large = b" " * (15 * 1024 * 1024 + 1)  # room for a picture, no more
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post("/v1/search", content=large, headers=headers), 413)
    chunks = (large[start : start + 100_000] for start in range(0, len(large), 100_000))
    assert_problem(client.post("/v1/search", content=chunks, headers=headers), 413)
    elsewhere = client.post("/v1/gallery", content=b" " * 65_537)
    assert_problem(elsewhere, 413)
    assert ask(client, text="red " * 15_000).status_code == 200  # 60 kB is allowed, and cut


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/nowhere", 404),
        ("GET", "/v1/search/", 404),
        ("GET", "/static/nowhere.js", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/v1/search", 405),
        ("DELETE", "/v1/images/1", 405),
        ("POST", "/static/app.js", 405),
        ("GET", "/v1/images/0", 404),
        ("GET", "/v1/images/13", 404),
        ("GET", "/v1/items/9223372036854775807", 404),
        ("GET", "/v1/items/9223372036854775808", 422),
        ("GET", "/v1/images/-1", 422),
        ("GET", "/v1/images/one", 422),
    ],
)
def test_unknown_things_are_problems(client: TestClient, method: str, path: str, status: int) -> None:
    problem = assert_problem(client.request(method, path), status)
    assert problem.instance.replace("..", "%2e%2e") == path


def test_image_and_item(client: TestClient) -> None:
    image = client.get("/v1/images/3")
    assert (image.status_code, image.headers["content-type"]) == (200, "image/jpeg")
    assert image.content.startswith(b"\xff\xd8\xff")
    assert image.headers["cache-control"].startswith("private")
    item = client.get("/v1/items/3").json()
    assert (item["id"], item["camera"], item["image_url"]) == (3, "camera-0", "/v1/images/3")


def test_gallery_tells_what_can_be_filtered(client: TestClient) -> None:
    body = client.get("/v1/gallery").json()
    assert (body["items"], body["dimension"], body["encoder"], body["encoder_note"]) == (12, 64, "toy", None)
    assert body["cameras"] == {"camera-0": 4, "camera-1": 4, "camera-2": 4}
    assert body["sources"] == {"manifest:people.csv": 12}
    assert body["last_seen"] == "2026-05-01T12:00:00.000Z"
    upper = next(facet for facet in body["attributes"] if facet["name"] == "upper")
    assert sorted(value["value"] for value in upper["values"]) == ["blue", "green", "red", "white"]
    assert {value["count"] for value in upper["values"]} == {3}


def test_the_demo_encoder_carries_a_warning_and_folders_lose_their_path() -> None:
    for encoder, shown, note in (("demo", "demo", True), ("/home/somebody/encoders/mine", "mine", False)):
        rows = gallery()
        rows.encoder = encoder
        with serving(ToyEncoder(), rows) as client:
            body = client.get("/v1/gallery").json()
            assert (body["encoder"], body["encoder_note"] is not None) == (shown, note)
            assert ask(client, text="red").json()["gallery"]["encoder"] == shown


def test_rows_added_elsewhere_are_found_without_restart() -> None:
    rows = gallery()
    with serving(ToyEncoder(), rows) as client:
        assert ask(client, text="purple poncho").json()["hits"][0]["score"] < 0.99
        rows.commit_elsewhere(person("purple poncho", 99))
        while (answer := ask(client, text="purple poncho", top_k=1).json())["hits"][0]["score"] < 0.99:
            pass
        assert answer["hits"][0]["id"] == 13
        while client.get("/v1/gallery").json()["items"] != 13:
            pass
