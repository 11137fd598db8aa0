"""What the server refuses before it makes a task of it, over real connections."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from keyed_service import gallery
from service_toys import ToyEncoder

from service.app import create_app
from service.refusing import refusing
from service.searcher import Searcher
from service.settings import Settings

MOST = 3
BODY = json.dumps({"text": "red coat"}).encode()
POST = (
    b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
)
WHOLE = POST % len(BODY) + b"\r\n" + BODY
LIVE = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def full(encoder: ToyEncoder) -> Iterator[tuple[FastAPI, int]]:
    """A service that lets three in, with three inside: the encoder holds them until its gate is opened."""
    settings = Settings(max_waiting=MOST, deadline_ms=30_000)
    app = create_app(settings, Searcher(encoder, gallery(), settings))
    protocol = refusing(app.state.shedding, lambda: app.state.draining)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, port=0, http=protocol))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started or not app.state.searcher.ready:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    encoder.gate.clear()
    inside = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST)]
    try:
        for one in inside:
            one.sendall(WHOLE)
        while app.state.searcher.admission.inside < MOST:
            time.sleep(0.01)
        yield app, port
        encoder.gate.set()
        for one in inside:
            assert answer_of(one)[0] == 200
    finally:
        encoder.gate.set()
        for one in inside:
            one.close()
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def service() -> Iterator[tuple[FastAPI, int]]:
    with full(ToyEncoder()) as running:
        yield running


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_both_ways_to_a_refusal_say_the_same(service: tuple[FastAPI, int]) -> None:
    app, port = service
    with closing(connected(port)) as connection:
        connection.sendall(WHOLE)
        status, headers, body = answer_of(connection)
    by_middleware = TestClient(app, base_url="http://127.0.0.1").post("/v1/search", content=BODY)
    assert (status, body) == (by_middleware.status_code, by_middleware.content)
    assert json.loads(body)["type"] == "urn:cskt:problem:too-many-requests"
    theirs = dict(by_middleware.headers)
    assert int(headers.pop("retry-after")) >= 1
    assert int(theirs.pop("retry-after")) >= 1
    assert headers == theirs


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01 no HTTP\r\n\r\n", LIVE.replace(b" /", b" /" + b"a" * 70_000)]
)
def test_what_is_no_request_gets_a_problem_and_the_end_of_its_connection(
    service: tuple[FastAPI, int], request_: bytes
) -> None:
    app, port = service
    with closing(connected(port)) as connection:
        connection.sendall(request_)
        status, headers, body = answer_of(connection)
        assert connection.recv(1) == b""
    by_middleware = TestClient(app, base_url="http://127.0.0.1").post("/v1/search", content=BODY)
    shared = set(by_middleware.headers) - {"retry-after", "content-length"}
    assert {name: headers[name] for name in shared} == {name: by_middleware.headers[name] for name in shared}
    assert (status, json.loads(body)["status"]) == (400, 400)
    assert json.loads(body)["type"] == "urn:cskt:problem:bad-request"


def test_a_connection_goes_on_after_a_refusal(service: tuple[FastAPI, int]) -> None:
    _, port = service
    with closing(connected(port)) as connection:
        for _ in range(3):
            connection.sendall(WHOLE)
            assert answer_of(connection)[0] == 429
            connection.sendall(LIVE)
            assert answer_of(connection)[0] == 200


def test_a_body_that_comes_later_is_passed_over(service: tuple[FastAPI, int]) -> None:
    _, port = service
    with closing(connected(port)) as connection:
        connection.sendall(POST % (len(BODY) + 100_000) + b"\r\n")
        assert answer_of(connection)[0] == 429  # before a byte of it
        connection.sendall(BODY + b" " * 100_000)
        connection.sendall(LIVE)
        assert answer_of(connection)[0] == 200


def test_pipelined_requests_are_answered_in_order(service: tuple[FastAPI, int]) -> None:
    _, port = service
    with closing(connected(port)) as connection, connection.makefile("rb") as stream:
        connection.sendall(LIVE + WHOLE + LIVE + WHOLE + WHOLE + LIVE)
        seen = []
        for _ in range(6):
            seen.append(int(stream.readline().split()[1]))
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
        assert seen == [200, 429, 200, 429, 429, 200]


def test_an_old_client_is_hung_up_on(service: tuple[FastAPI, int]) -> None:
    _, port = service
    for version, more in ((b"1.0", b""), (b"1.1", b"Connection: close\r\n")):
        with closing(connected(port)) as connection:
            head = (POST % len(BODY)).replace(b"HTTP/1.1", b"HTTP/" + version)
            connection.sendall(head + more + b"\r\n" + BODY)
            status, headers, _ = answer_of(connection)
            assert (status, headers["connection"]) == (429, "close")
            assert connection.recv(1) == b""


def test_what_the_rule_is_not_for_is_answered_as_ever(service: tuple[FastAPI, int]) -> None:
    _, port = service
    for request, status in ((LIVE, 200), (LIVE.replace(b"livez", b"v1/search"), 405)):
        with closing(connected(port)) as connection:
            connection.sendall(request)
            assert answer_of(connection)[0] == status


def test_refusals_are_counted(service: tuple[FastAPI, int]) -> None:
    app, port = service

    def counted() -> tuple[float, float]:
        registry = app.state.searcher.metrics.registry
        refusals = registry.get_sample_value("cskt_refusals_total", {"problem": "too-many-requests"})
        answers = registry.get_sample_value("cskt_requests_total", {"operation": "search", "status": "429"})
        return refusals or 0, answers or 0

    before = counted()
    with closing(connected(port)) as connection:
        for _ in range(5):
            connection.sendall(WHOLE)
            answer_of(connection)
    assert counted() == (before[0] + 5, before[1] + 5)


def test_while_the_service_drains_every_answer_asks_to_leave(service: tuple[FastAPI, int]) -> None:
    app, port = service
    app.state.draining = True
    with closing(connected(port)) as connection:
        connection.sendall(WHOLE)
        status, headers, _ = answer_of(connection)
        assert (status, headers["connection"]) == (429, "close")
        assert connection.recv(1) == b""
    app.state.draining = False
