"""POST /v1/embeddings by the real openai client, over a real socket; GET /v1/encoder."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest
import uvicorn
from keyed_service import gallery, make
from PIL import Image
from service_toys import COLOURS, DIMENSION, FINGERPRINT, ToyEncoder, embed

from service.app import create_app
from service.keys import KeyStore
from service.scopes import Scope
from service.searcher import Searcher
from service.settings import Settings


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = tmp_path_factory.mktemp("state")
    settings = Settings(state=str(folder))
    store = KeyStore(folder)
    key = make(store, Scope.SEARCH)
    app = create_app(settings, Searcher(ToyEncoder(), gallery(), settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started or not app.state.searcher.ready:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with openai.OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client:
        yield client
    server.should_exit = True
    thread.join(30)
    store.close()


def test_texts_become_their_vectors(client: openai.OpenAI) -> None:
    texts = ["red coat", "blue dress", "red coat"]
    answer = client.embeddings.create(model="cskt", input=texts)  # the client asks for base64 by itself
    np.testing.assert_allclose([one.embedding for one in answer.data], [embed(t) for t in texts], atol=1e-7)
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 12
    assert answer.model == "toy"
    plain = client.embeddings.create(model="cskt", input="red coat", encoding_format="float")
    np.testing.assert_allclose(plain.data[0].embedding, embed("red coat"), atol=1e-7)


def test_as_many_texts_as_openai_takes(client: openai.OpenAI) -> None:
    texts = [f"coat {number}" for number in range(2048)]
    answer = client.embeddings.create(model="cskt", input=texts)
    np.testing.assert_allclose([one.embedding for one in answer.data], [embed(t) for t in texts], atol=1e-7)


def test_pictures_are_inputs_too(client: openai.OpenAI) -> None:
    data = io.BytesIO()
    Image.new("RGB", (20, 40), COLOURS["green"]).save(data, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    answer = client.embeddings.create(model="cskt", input=[uri, "green"], dimensions=DIMENSION)
    np.testing.assert_allclose(answer.data[0].embedding, answer.data[1].embedding, atol=1e-7)


def test_what_cannot_be_embedded_says_why(client: openai.OpenAI) -> None:
    for wrong, says in (
        ({"input": []}, "input"),
        ({"input": "!!!"}, "letters"),
        ({"input": "data:image/png;base64,AAAA"}, "picture cannot be used"),
        ({"input": [1, 2]}, r"The field input\.0 must be text\."),
        ({"input": 5}, r"The field input must be a list\."),
        ({"input": ["a"] * 2049}, "The field input .*2048"),
    ):
        with pytest.raises(openai.UnprocessableEntityError, match=says):
            client.embeddings.create(model="cskt", **wrong)
    with pytest.raises(openai.ConflictError, match="64 numbers"):
        client.embeddings.create(model="cskt", input="a", dimensions=7)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").embeddings.create(model="cskt", input="a")


def test_the_encoder_says_what_it_is(client: openai.OpenAI) -> None:
    told = client.get("/encoder", cast_to=dict[str, object])
    assert told == {
        "name": "toy",
        "fingerprint": FINGERPRINT,
        "dimension": DIMENSION,
        "precision": "float64",
        "context_length": 77,
        "note": None,
    }
