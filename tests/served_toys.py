"""A service over toys, to be asked through its real HTTP stack."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.testclient import TestClient
from service_toys import ToyEncoder, ToyGallery, person

from service.app import create_app
from service.schemas.problem import Problem
from service.searcher import Searcher
from service.settings import Settings

WORDS = [
    f"{colour} {garment}"
    for colour in ("red", "blue", "green", "white")
    for garment in ("coat", "dress", "cap")
]


def gallery() -> ToyGallery:
    return ToyGallery([person(words, number, number) for number, words in enumerate(WORDS, 1)])


@contextmanager
def serving(encoder: ToyEncoder, rows: ToyGallery, settings: Settings | None = None) -> Iterator[TestClient]:
    """A client of an app that is ready."""
    settings = settings or Settings(refresh_seconds=0.02)
    app = create_app(settings, Searcher(encoder, rows, settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def ask(client: TestClient, **body: object):
    return client.post("/v1/search", json=body)


def assert_problem(response, status: int) -> Problem:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "content-security-policy" in response.headers
    body = Problem.model_validate_json(response.content)
    assert body.status == status
    assert body.detail.endswith(".")
    assert "\n" not in body.detail
    return body
