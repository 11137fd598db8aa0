"""Which places of a picture answer which phrases, over HTTP: pictures whose colours are known by place."""

import asyncio
import io
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hanging_up import encoder_held, post
from PIL import Image
from service_toys import ToyEncoder, ToyGallery, person

from indexer.items import EmbeddedItem
from model.phrase_maps import COVERED_GRID, covered
from service.app import create_app
from service.searcher import Searcher
from service.settings import Settings


def two_colours() -> EmbeddedItem:
    """White above, a smaller red part below: by its mean colour it is white until the red is all it has."""
    picture = np.full((80, 32, 3), 240, np.uint8)
    picture[56:] = (200, 30, 30)
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    item = person("white", 1, 1)
    return EmbeddedItem(item.item, item.vector, data.getvalue())


@pytest.fixture
def client() -> Iterator[TestClient]:
    settings = Settings(refresh_seconds=0.02, refuse_protected_traits=True)
    app = create_app(settings, Searcher(ToyEncoder(), ToyGallery([two_colours()]), settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def ask(client: TestClient, text: str, id: int = 1):
    return client.post(f"/v1/items/{id}/evidence", json={"text": text})


def test_each_phrase_has_a_map_of_the_picture(client: TestClient) -> None:
    answer = ask(client, "a white coat, a red skirt and shoes").json()
    assert [phrase["text"] for phrase in answer["phrases"]] == ["a white coat", "a red skirt", "shoes"]
    maps = np.array([phrase["regions"] for phrase in answer["phrases"]])
    assert maps.shape == (3, *COVERED_GRID)
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_a_map_is_what_covering_each_place_costs(client: TestClient) -> None:
    encoder = client.app.state.searcher.upkeep.serving.encoder
    (phrase,) = ask(client, "white").json()["phrases"]
    stored = Image.open(io.BytesIO(two_colours().thumbnail)).convert("RGB")
    copies = covered(encoder.preprocess(np.asarray(stored)))
    white, anybody = encoder.embed_texts(["white", "a person"])
    each = [-(one @ white) + (one @ anybody) for one in encoder.embed_pixels(copies)]
    lost = np.array(each).reshape(2, -1).mean(axis=0)  # of a small and of a large cover at each place
    spread = np.ptp(lost)
    wanted = (lost - lost.min()) / spread if spread else np.zeros(len(lost))
    assert np.array(phrase["regions"]).ravel() == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize(("text", "status"), [("", 422), ("...", 422), ("a muslim", 422)])
def test_a_text_that_cannot_be_searched_for_has_no_map_either(client, text: str, status: int) -> None:
    assert ask(client, text).status_code == status


def test_a_client_that_hangs_up_leaves_no_copies_to_encode() -> None:
    encoder, settings = ToyEncoder(), Settings()
    searcher = Searcher(encoder, ToyGallery([two_colours()]), settings)
    app = create_app(settings, searcher)

    async def scene() -> None:
        async with encoder_held(app, searcher, encoder):
            leaves, stays = asyncio.Event(), asyncio.Event()
            gone = asyncio.create_task(post(app, "/v1/items/1/evidence", {"text": "white"}, leaves))
            while not encoder.batches:
                await asyncio.sleep(0.001)
            leaves.set()
            assert await gone == [499]
            encoder.gate.set()
            assert await post(app, "/v1/search", {"text": "red"}, stays) == [200]

    asyncio.run(asyncio.wait_for(scene(), 30))
    assert not [batch for batch in encoder.batches if "pictures" in batch[0]]


def test_an_unknown_row_has_no_map(client: TestClient) -> None:
    assert ask(client, "a coat", 7).status_code == 404
