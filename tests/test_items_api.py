"""Uploading, removing and neighbours: over a real gallery on disk, against brute force."""

import base64
import errno
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from service_toys import COLOURS, DIMENSION, FINGERPRINT, ToyEncoder, colour_of, embed, person

from indexer.decoders import Decoders
from indexer.gallery import open_gallery
from indexer.items import GalleryItem, RawImage
from indexer.prepared import Prepared
from service.app import create_app
from service.scopes import LOCAL
from service.searcher import Searcher
from service.settings import Settings
from service.uploading import Asked, outcome

WORDS = [f"{colour} {garment}" for colour in COLOURS for garment in ("coat", "dress", "cap")]


def picture(colour: str, size: tuple[int, int] = (40, 90)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(data, "PNG")
    return data.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gallery of twelve people: row n at hour n, before camera n % 3, two of them of each track."""
    writer = open_gallery(tmp_path / "g", create_for=("toy", FINGERPRINT, DIMENSION), write=True)
    rows = []
    for number, words in enumerate(WORDS, 1):
        row = person(words, number, number)
        item = GalleryItem(**{**row.item.__dict__, "track": f"track-{number % 6}"})
        rows.append(type(row)(item, row.vector, row.thumbnail))
    writer.add(rows)
    writer.close()
    return tmp_path / "g"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    settings = Settings(gallery=str(folder), refresh_seconds=30.0)  # nothing is taken up by chance
    app = create_app(settings, Searcher(ToyEncoder(), open_gallery(folder), settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def upload(client: TestClient, *items: dict[str, object]) -> list[dict[str, object]]:
    response = client.post("/v1/items", json={"items": items})
    assert response.status_code == 200, response.text
    return response.json()["items"]


def test_an_upload_is_found_by_the_next_search_and_stored_as_indexing_would(client, folder: Path) -> None:
    data, facts = picture("green"), {"camera": "gate", "track": "t", "attributes": {"shift": "night"}}
    (told,) = upload(client, {"image": encoded(data), "seen_at": "2026-06-01T10:00:00+02:00", **facts})
    assert told["status"] == "stored"
    assert told["key"] == "sha256:" + hashlib.sha256(data).hexdigest()
    best = client.post("/v1/search", json={"text": "green", "top_k": 1}).json()["hits"][0]
    assert (best["id"], best["camera"], best["seen_at"]) == (told["id"], "gate", "2026-06-01T08:00:00.000Z")
    assert best["attributes"] == {"shift": "night"}
    with Decoders(1) as decoders:
        prepared = decoders.prepare(RawImage(GalleryItem("k", "", ""), data), ToyEncoder().preprocess)
    assert isinstance(prepared, Prepared)
    reader = open_gallery(folder)
    assert reader.thumbnail(told["id"]) == prepared.thumbnail
    np.testing.assert_allclose(reader.vector(told["id"]), embed(colour_of(prepared.pixels)), atol=1e-3)
    reader.close()
    assert client.get(f"/v1/images/{told['id']}").content == prepared.thumbnail


def test_what_is_sent_again_is_known_and_what_is_bad_is_rejected_alone(client) -> None:
    good, bad = encoded(picture("red")), encoded(b"no picture at all")
    first = upload(client, {"image": good}, {"image": bad, "key": "bad"}, {"image": good, "key": "again"})
    assert [one["status"] for one in first] == ["stored", "rejected", "stored"]
    assert first[1]["id"] is None
    assert first[1]["reason"]
    second = upload(client, {"image": good}, {"image": encoded(picture("blue")), "key": "again"})
    assert [one["status"] for one in second] == ["known", "known"]
    assert [one["id"] for one in second] == [first[0]["id"], first[2]["id"]]


def test_twice_in_one_request_is_stored_once(client, folder: Path) -> None:
    same = {"image": encoded(picture("red"))}
    told = upload(client, same, same)
    assert told[0]["id"] == told[1]["id"]
    reader = open_gallery(folder)
    assert len(reader) == len(WORDS) + 1
    reader.close()


def test_two_pictures_of_one_key_are_not_both_called_stored(client) -> None:
    red, blue = ({"image": encoded(picture(colour)), "key": "one"} for colour in ("red", "blue"))
    told = upload(client, red, blue, red)
    assert [one["status"] for one in told] == ["stored", "rejected", "stored"]
    assert "another picture" in told[1]["reason"].lower()
    best = client.post("/v1/search", json={"text": "red", "top_k": 1}).json()["hits"][0]
    assert best["id"] == told[0]["id"] == told[2]["id"]


def test_what_was_stored_and_is_gone_again_was_stored() -> None:
    item = GalleryItem("k", "k", "api:")
    told = {known: outcome(Asked("k", item, ""), None, known, {}, LOCAL) for known in (False, True)}
    assert (told[False].status, told[False].reason) == ("stored", None)
    assert (told[True].status, told[True].reason) == ("known", "was removed for good")


def test_what_is_no_base64_is_rejected_alone(client) -> None:
    told = upload(client, {"image": "%%%%"}, {"image": encoded(picture("red"))}, {"image": "%", "key": "k"})
    assert [(one["status"], one["key"][:6]) for one in told] == [
        ("rejected", ""),
        ("stored", "sha256"),
        ("rejected", "k"),
    ]
    assert "base64" in told[0]["reason"]


@pytest.fixture
def recorded(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The same gallery, by a service that keeps a log."""
    settings = Settings(gallery=str(folder), refresh_seconds=30.0, state=str(tmp_path / "state"))
    app = create_app(settings, Searcher(ToyEncoder(), open_gallery(folder), settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


CHANGES = {
    "upload": ("POST", "/v1/items", {"items": [{"image": encoded(picture("red")), "key": "new"}]}),
    "remove": ("DELETE", "/v1/items/3", None),
    "case open": ("POST", "/v1/cases", {"id": "other", "basis": "report 2"}),
    "case entry": ("POST", "/v1/cases/theirs/entries", {"kind": "note", "words": "seen"}),
    "case close": ("DELETE", "/v1/cases/theirs", None),
}


def state_of(client: TestClient, folder: Path) -> object:
    """Who is in the gallery, which cases there are, what is in the file of one."""
    reader = open_gallery(folder)
    keys = sorted(reader.get(int(id)).key for id in reader.ids())
    reader.close()
    cases = client.get("/v1/cases").json()["cases"]
    return keys, cases, client.get("/v1/cases/theirs").json().get("notes")


@pytest.mark.parametrize("action", CHANGES)
def test_nothing_is_changed_that_is_not_on_record_first(recorded, folder: Path, monkeypatch, action) -> None:
    assert recorded.post("/v1/cases", json={"id": "theirs", "basis": "report 1"}).status_code == 201
    before, (method, path, body) = state_of(recorded, folder), CHANGES[action]

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as failing:
        failing.setattr(os, "pwrite", full)
        assert recorded.request(method, path, json=body).status_code == 503
    assert state_of(recorded, folder) == before
    assert recorded.request(method, path, json=body).status_code in (200, 201, 204)
    assert state_of(recorded, folder) != before
    records = recorded.get("/v1/audit", params={"action": action}).json()["records"]
    assert [one["facts"]["stage"] for one in records][-2:] == ["begun", "ended"]
    assert records[-1]["request"] == records[-2]["request"]
    assert records[-1]["status"] in (200, 201, 204)


@pytest.mark.parametrize("erase", [False, True])
def test_what_is_removed_is_gone_at_once_and_for_good(client, folder: Path, erase: bool) -> None:
    (told,) = upload(client, {"image": encoded(picture("green")), "key": "unmistakable-key"})
    path = f"/v1/items/{told['id']}"
    assert client.delete(f"{path}?erase={str(erase).lower()}").status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    hits = client.post("/v1/search", json={"text": "green", "top_k": 50}).json()["hits"]
    assert told["id"] not in [hit["id"] for hit in hits]
    assert len(hits) == len(WORDS)
    if erase:
        kept = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
        assert b"unmistakable-key" not in kept
    (again,) = upload(client, {"image": encoded(picture("green")), "key": "unmistakable-key"})
    assert (again["status"], again["id"], again["reason"]) == ("known", None, "was removed for good")


def test_another_writer_is_waited_for_and_then_told_about(client, folder: Path) -> None:
    writer = open_gallery(folder, write=True)
    response = client.post("/v1/items", json={"items": [{"image": encoded(picture("red"))}]})
    assert response.status_code == 503
    assert "Another process is writing" in response.json()["detail"]
    assert response.headers["retry-after"]
    writer.close()
    assert upload(client, {"image": encoded(picture("red"))})[0]["status"] == "stored"


def ids(client, path: str) -> list[int]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()["neighbours"]]


def test_neighbours_are_those_of_brute_force(client) -> None:
    # row n: hour n, camera n % 3, track n % 6
    assert ids(client, "/v1/items/2/neighbours?kind=track") == [8]
    assert ids(client, "/v1/items/2/neighbours?kind=time&minutes=360") == [5, 8]
    assert ids(client, "/v1/items/5/neighbours?kind=time&minutes=179") == []
    assert ids(client, "/v1/items/5/neighbours?kind=time&minutes=1440") == [2, 8, 11]
    assert ids(client, "/v1/items/5/neighbours?kind=time&minutes=1440&limit=1") == [2]
    vectors = np.stack([embed(words) for words in WORDS])
    order = [int(place) + 1 for place in np.argsort(-(vectors @ vectors[4]), kind="stable")]
    assert ids(client, "/v1/items/5/neighbours?kind=similar&limit=4") == [id for id in order if id != 5][:4]
    assert client.get("/v1/items/99/neighbours").status_code == 404
