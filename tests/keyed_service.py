"""A toy service that asks for keys: cameras, roles, and clients that show them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from httpx import Response
from service_toys import ToyEncoder, ToyGallery, person

from service.app import create_app
from service.keys import KeyStore
from service.scopes import Scope
from service.searcher import Searcher
from service.settings import Settings
from service.writing import Writing

ADDRESS = "http://127.0.0.1:8000"
WORDS = [
    f"{colour} {garment}"
    for colour in ("red", "blue", "green", "white")
    for garment in ("coat", "dress", "cap")
]


def gallery() -> ToyGallery:
    """Twelve rows; row n was seen by camera n % 3."""
    return ToyGallery([person(words, number, number) for number, words in enumerate(WORDS, 1)])


@contextmanager
def keyed(folder: Path, **settings: object) -> Iterator[tuple[TestClient, KeyStore]]:
    """A client without a key, and the store in which another process would make some."""
    chosen = Settings(state=str(folder), refresh_seconds=0.02, **settings)
    store = KeyStore(folder)
    rows = gallery()
    app = create_app(chosen, Searcher(ToyEncoder(), rows, chosen))
    with TestClient(app, base_url=ADDRESS) as client:
        app.state.writing = Writing(lambda: rows)
        while client.get("/readyz").status_code != 200:
            pass
        yield client, store
    store.close()


def headers(key: str) -> dict[str, str]:
    """What shows a key."""
    return {"Authorization": f"Bearer {key}"}


def make(
    store: KeyStore,
    *scopes: Scope,
    name: str = "somebody",
    cameras: tuple[str, ...] = (),
    expires: str | None = None,
) -> str:
    """The text of a new key."""
    return store.create(name, scopes, cameras, expires)[1]


def write(client: TestClient, shown: dict[str, str], **entry: object) -> Response:
    """Write into the file of case-7."""
    return client.post("/v1/cases/case-7/entries", json=entry, headers=shown)
