"""Many requests at once, and requests that come too early or go too soon."""

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hanging_up import encoder_held, post
from served_toys import WORDS, ask, assert_problem, gallery, serving
from service_toys import ToyEncoder

from service.app import create_app
from service.searcher import Searcher
from service.settings import Settings


def test_not_ready_is_503_while_alive() -> None:
    encoder = ToyEncoder()
    encoder.gate.clear()
    app = create_app(Settings(), Searcher(encoder, gallery()))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/livez").json() == {"status": "alive"}
        for path in ("/readyz", "/v1/gallery", "/v1/images/1"):
            response = client.get(path)
            assert_problem(response, 503)
            assert response.headers["retry-after"] == "2"
        assert_problem(ask(client, text="red"), 503)
        encoder.gate.set()
        while client.get("/readyz").status_code == 503:
            pass
        assert client.get("/readyz").json() == {"status": "ready"}
        assert ask(client, text="red").status_code == 200


def test_concurrent_requests_share_batches_and_keep_their_own_answers() -> None:
    encoder = ToyEncoder()
    with serving(encoder, gallery()) as client:
        encoder.batches.clear()
        encoder.gate.clear()
        asked = [WORDS[number % 12] for number in range(24)]
        with ThreadPoolExecutor(24) as threads:
            answers = [threads.submit(ask, client, text=text, top_k=1) for text in asked]
            _wait_for_waiting(client.app, 24)
            encoder.gate.set()
            bodies = [answer.result(30).json() for answer in answers]
    assert [body["query"]["text"] for body in bodies] == asked
    assert [body["hits"][0]["id"] for body in bodies] == [WORDS.index(text) + 1 for text in asked]
    assert sorted(text for batch in encoder.batches for text in batch) == sorted(asked)
    assert len(encoder.batches) <= 3  # the first to come, and whoever came while the device was busy with it


def test_a_poisonous_query_is_one_500_and_its_words_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    encoder = ToyEncoder()
    with serving(encoder, gallery()) as client:
        encoder.gate.clear()
        asked = ["red coat", "unspeakable poison", "blue cap"]
        with ThreadPoolExecutor(3) as threads:
            answers = [threads.submit(ask, client, text=text, top_k=1) for text in asked]
            _wait_for_waiting(client.app, 3)
            encoder.gate.set()
            responses = [answer.result(30) for answer in answers]
        assert [response.status_code for response in responses] == [200, 500, 200]
        assert "unspeakable" not in assert_problem(responses[1], 500).detail
        client.get("/?q=unspeakable")
    assert "POST /v1/search 500" in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("cskt")]
    assert not [line for line in ours if "unspeakable" in line]


def test_too_many_queries_are_429_with_a_time_to_come_back() -> None:
    encoder = ToyEncoder()
    with serving(encoder, gallery(), Settings(max_waiting=3)) as client:
        encoder.gate.clear()
        with ThreadPoolExecutor(3) as threads:
            inside = [threads.submit(ask, client, text="red coat") for _ in range(3)]
            _wait_for_waiting(client.app, 3)
            refused = ask(client, text="blue cap")
            assert_problem(refused, 429)
            assert int(refused.headers["retry-after"]) >= 1
            encoder.gate.set()
            assert [answer.result(30).status_code for answer in inside] == [200] * 3


def test_a_client_that_hangs_up_costs_nothing() -> None:
    encoder, settings = ToyEncoder(), Settings()
    searcher = Searcher(encoder, gallery(), settings)
    app = create_app(settings, searcher)

    def ask_for(words: str, hang_up: asyncio.Event) -> asyncio.Task:
        return asyncio.create_task(post(app, "/v1/search", {"text": words}, hang_up))

    async def scene() -> None:
        async with encoder_held(app, searcher, encoder):
            stays, leaves = asyncio.Event(), asyncio.Event()
            first = ask_for("red coat", stays)
            while not encoder.batches:
                await asyncio.sleep(0.001)
            gone = [ask_for("green dress", leaves) for _ in range(20)]
            last = ask_for("blue cap", stays)
            await asyncio.sleep(0.05)
            leaves.set()
            assert await asyncio.gather(*gone) == [[499]] * 20
            encoder.gate.set()
            assert await asyncio.gather(first, last) == [[200], [200]]

    asyncio.run(asyncio.wait_for(scene(), 30))
    assert encoder.batches == [["red coat"], ["blue cap"]]


def _wait_for_waiting(app: FastAPI, count: int) -> None:
    """Until so many queries are inside; a closed gate keeps them there."""
    pause = threading.Event()
    while app.state.searcher.admission.inside < count:
        pause.wait(0.002)
