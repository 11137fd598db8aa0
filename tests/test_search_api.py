"""POST /v1/search and its batch: weighted parts, pages, groups and pictures, against brute force."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hostile_images import write_hostile
from jsonschema_rs import validator_for
from PIL import Image
from service_toys import COLOURS, ToyEncoder, ToyGallery, embed, person

from service.app import create_app
from service.schemas.examples import BATCHES, SEARCHES
from service.searcher import Searcher
from service.settings import Settings

WORDS = [
    f"{colour} {garment}" for colour in COLOURS for garment in ("coat", "dress", "cap", "shirt", "jacket")
]
VECTORS = np.stack([embed(words) for words in WORDS])


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    people = [person(words, number, number) for number, words in enumerate(WORDS, 1)]
    settings = Settings(refresh_seconds=0.02)
    app = create_app(settings, Searcher(ToyEncoder(), ToyGallery(people), settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def ask(client: TestClient, **body: object) -> dict[str, object]:
    response = client.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ranking(*parts: tuple[float, np.ndarray]) -> list[tuple[int, float]]:
    """Ids and scores by brute force."""
    total = sum(weight * vector.astype(float) for weight, vector in parts)
    scores = VECTORS.astype(float) @ (total / np.linalg.norm(total))
    return [(int(place) + 1, float(scores[place])) for place in np.argsort(-scores, kind="stable")]


def found(answer: dict) -> list[tuple[int, float]]:
    return [(hit["id"], pytest.approx(hit["score"], abs=2e-5)) for hit in answer["hits"]]


def png(colour: str) -> str:
    data = io.BytesIO()
    Image.new("RGB", (40, 90), COLOURS[colour]).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def test_weighted_and_negative_parts_rank_as_the_weighted_sum(client: TestClient) -> None:
    parts = [{"text": "coat", "weight": 1.5}, {"text": "red", "weight": -0.7}, {"item": 7, "weight": 0.5}]
    answer = ask(client, text="blue", parts=parts, top_k=20)
    expected = ranking((1, embed("blue")), (1.5, embed("coat")), (-0.7, embed("red")), (0.5, VECTORS[6]))
    assert expected == found(answer)
    assert [echo["text"] for echo in answer["query"]["texts"]] == ["blue", "coat", "red"]


def test_more_like_a_row_and_not_like_another(client: TestClient) -> None:
    answer = ask(client, parts=[{"item": 3}, {"item": 4, "weight": -0.5}], top_k=20)
    assert ranking((1, VECTORS[2]), (-0.5, VECTORS[3])) == found(answer)
    assert answer["query"]["text"] == ""


def test_a_picture_is_searched_for_alone_and_with_words(client: TestClient) -> None:
    assert ranking((1, embed("green"))) == found(ask(client, image=png("green"), top_k=20))
    uri = "data:image/png;base64," + png("white")
    answer = ask(client, text="dress", parts=[{"image": uri, "weight": 2}], top_k=20)
    assert ranking((1, embed("dress")), (2, embed("white"))) == found(answer)


def test_pages_are_slices_of_the_whole_ranking(client: TestClient) -> None:
    whole = ask(client, text="blue coat", top_k=20)
    assert whole["next_offset"] is None
    pages, offset = [], 0
    while offset is not None:
        page = ask(client, text="blue coat", top_k=7, offset=offset)
        pages += page["hits"]
        offset = page["next_offset"]
    assert pages == whole["hits"]
    assert ask(client, text="blue coat", offset=500)["hits"] == []


def test_no_hit_is_below_the_least_score(client: TestClient) -> None:
    whole = ask(client, text="blue coat", top_k=20)["hits"]
    least = whole[4]["score"] - 1e-4
    assert ask(client, text="blue coat", min_score=least)["hits"] == whole[:5]
    assert ask(client, text="blue coat", min_score=1.0, top_k=3)["hits"] in ([], whole[:1])


def test_one_hit_for_each_passage() -> None:
    rng, people = np.random.default_rng(0), []
    for number in range(40):
        one = person(f"person{rng.integers(100)} coat", number)
        track = f"track-{rng.integers(6)}"
        people.append(
            type(one)(
                one.item.__class__(**{**one.item.__dict__, "track": track, "camera": "gate"}),
                one.vector,
                one.thumbnail,
            )
        )
    settings = Settings(refresh_seconds=0.02)
    app = create_app(settings, Searcher(ToyEncoder(), ToyGallery(people), settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        whole = ask(client, text="coat", top_k=100)["hits"]
        first: dict[str, list[dict]] = {}
        for hit in whole:
            first.setdefault(hit["track"], []).append(hit)
        grouped = ask(client, text="coat", top_k=100, group_by="track")
        assert [hit["id"] for hit in grouped["hits"]] == [hits[0]["id"] for hits in first.values()]
        for hit, hits in zip(grouped["hits"], first.values(), strict=True):
            assert hit["others"] == [other["id"] for other in hits[1:8]]
        pages = [ask(client, text="coat", top_k=2, offset=n, group_by="track") for n in (0, 2, 4)]
        paged = [hit["id"] for page in pages for hit in page["hits"]]
        assert paged == [hit["id"] for hit in grouped["hits"]]
        assert [page["next_offset"] for page in pages] == [2, 4, None]


def test_each_search_of_a_batch_has_its_own_answer_or_problem(client: TestClient) -> None:
    searches = [
        {"text": "blue coat", "top_k": 3},
        {"text": "poison"},
        {"parts": [{"text": "red"}, {"text": "red", "weight": -1}]},
        {"image": base64.b64encode(b"no picture").decode()},
        {"text": "green cap", "filter": {"where": "hat = true"}, "top_k": 3},
        {"parts": [{"item": 99}]},
    ]
    response = client.post("/v1/search/batch", json={"searches": searches})
    assert response.status_code == 200
    answers = response.json()["answers"]
    for place in (0, 4):
        alone = ask(client, **searches[place])
        assert answers[place]["answer"]["hits"] == alone["hits"]
        assert answers[place]["problem"] is None
    kinds = [answers[place]["problem"]["status"] for place in (1, 2, 3, 5)]
    assert kinds == [500, 422, 422, 404]
    assert "cancel" in answers[2]["problem"]["detail"]
    assert "picture" in answers[3]["problem"]["detail"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"parts": []}, 422, "must have a text"),
        ({"parts": [{"text": "red", "weight": -1}]}, 422, "positive weight"),
        ({"parts": [{"text": "red", "item": 1}]}, 422, "exactly one"),
        ({"parts": [{}]}, 422, "exactly one"),
        ({"parts": [{"text": "red", "weight": 11}]}, 422, "parts.0.weight"),
        ({"parts": [{"item": 99}]}, 404, "no item 99"),
        ({"text": "red", "offset": -1}, 422, "offset"),
        ({"text": "red", "offset": 10_000}, 422, "offset"),
        ({"text": "red", "min_score": 2}, 422, "min_score"),
        ({"text": "red", "group_by": "person"}, 422, "group_by"),
        ({"text": "red", "filter": {"where": "camera = "}}, 422, "filter.where"),
        ({"image": "%%%"}, 422, "base64"),
        ({"image": "data:image/png,abc"}, 422, "base64"),
    ],
)
def test_what_cannot_be_searched_for_is_named(client: TestClient, body, status: int, says: str) -> None:
    response = client.post("/v1/search", json=body)
    assert response.status_code == status
    assert says in response.json()["detail"]
    assert response.json()["detail"].endswith(".")


@pytest.mark.slow
def test_hostile_pictures_harm_nobody(client: TestClient, tmp_path: Path) -> None:
    write_hostile(tmp_path)
    pictures = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(pictures) > 20
    for picture in pictures:
        encoded = base64.b64encode(picture.read_bytes()).decode()
        response = client.post(
            "/v1/search", json={"image": encoded or "AA=="}, headers={"Deadline-Ms": "30000"}
        )
        assert response.status_code in (200, 413, 422), (picture.name, response.text)
        assert str(tmp_path) not in response.text
    assert client.get("/readyz").status_code == 200
    assert ask(client, text="blue coat")["hits"]


def test_a_deadline_must_be_a_time_and_one_that_is_over_is_a_503(client: TestClient) -> None:
    for deadline in ("0", "-5", "soon", "600001"):
        response = client.post("/v1/search", json={"text": "red"}, headers={"Deadline-Ms": deadline})
        assert response.status_code == 422, deadline
        assert "deadline" in response.json()["detail"].lower()
    assert client.post("/v1/search", json={"text": "red"}, headers={"Deadline-Ms": "5000"}).status_code == 200


def test_the_examples_fit_the_contract_and_are_answered(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    for path, name, examples in (("", "SearchRequest", SEARCHES), ("/batch", "BatchRequest", BATCHES)):
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        for example in examples.values():
            assert validator_for(schema).is_valid(example["value"]), example
            response = client.post(f"/v1/search{path}", json=example["value"])
            assert response.status_code == 200, response.text
        told = described["paths"][f"/v1/search{path}"]["post"]["requestBody"]["content"]["application/json"]
        assert set(told["examples"]) == set(examples)


def test_every_operation_says_what_it_is(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(ids)) == len(ids)
    for path in paths.values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]
