"""What holds for every answer of the service: headers, no paths, nothing from outside, no details."""

import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from served_toys import ask, assert_problem, gallery, serving
from service_toys import ToyEncoder

from service.settings import Settings


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving(ToyEncoder(), gallery()) as client:
        yield client


def test_security_headers_are_on_every_answer(client: TestClient) -> None:
    for method, path in [
        ("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/livez"), ("GET", "/readyz"),
        ("GET", "/v1/gallery"), ("GET", "/v1/images/1"), ("GET", "/v1/items/1"), ("GET", "/nowhere"),
        ("GET", "/static/docs.css"), ("POST", "/v1/search"),
    ]:  # fmt: skip
        headers = client.request(method, path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] in ("no-store", "private, max-age=300")
        assert "server" not in headers


def test_no_answer_holds_a_path_or_a_key(client: TestClient) -> None:
    texts = [ask(client, text="red coat").text]
    texts += [client.get(path).text for path in ("/v1/items/1", "/v1/gallery", "/openapi.json", "/docs")]
    for text in texts:
        assert "secret" not in text
        assert "person-1" not in text


def test_pages_and_description_need_nothing_from_outside(client: TestClient) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        for mark in ('src="http', 'href="http', 'src="//', "<script>", "style="):
            assert mark not in page.text
    assert "/v1/search" in client.get("/docs").text
    described = client.get("/openapi.json").json()["paths"]
    items = {"/v1/search", "/v1/search/batch", "/v1/images/{id}", "/v1/items/{id}", "/v1/gallery"}
    assert items | {
        "/v1/audit",
        "/v1/cases",
        "/v1/cases/{id}",
        "/v1/cases/{id}/entries",
        "/v1/cases/{id}/report",
        "/v1/gallery/jobs",
        "/v1/gallery/rejected",
        "/v1/gallery/timeline",
        "/v1/search/export",
        "/v1/items",
        "/v1/items/{id}/neighbours",
        "/v1/items/{id}/evidence",
        "/v1/session",
        "/v1/encoder",
        "/v1/embeddings",
        "/livez",
        "/readyz",
    } == set(described)


def test_the_api_page_escapes_the_host_it_is_asked_under() -> None:
    settings = Settings(allowed_hosts=("*",))
    with serving(ToyEncoder(), gallery(), settings) as client:
        assert "<script" not in client.get("/docs", headers={"Host": "<script>x"}).text


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example:8000", 421), ("", 421), ("localhost", 200), ("[::1]:8000", 200)]
)
def test_foreign_host_names_are_refused(client: TestClient, host: str, status: int) -> None:
    response = client.get("/livez", headers={"Host": host})
    assert response.status_code == status
    if status != 200:
        assert_problem(response, status)


def test_an_unforeseen_error_is_a_problem_without_details(caplog: pytest.LogCaptureFixture) -> None:
    rows = gallery()
    with serving(ToyEncoder(), rows) as client:

        def fail(id: int) -> None:
            raise RuntimeError("internal detail")

        rows.get = fail
        problem = assert_problem(client.get("/v1/items/1"), 500)
        assert "internal detail" not in problem.detail
        assert "internal detail" in caplog.text


def test_the_log_has_one_line_per_request_without_forged_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cskt.access")
    with serving(ToyEncoder(), gallery()) as client:
        client.get("/nowhere%0Aforged?text=unspeakable")
    lines = [record.getMessage() for record in caplog.records if record.name == "cskt.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /nowhere\\nforged 404 ")
    assert "unspeakable" not in lines[0]
