"""The whole API against generated requests: schemathesis with every check, and bytes that are no HTTP."""

import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from keyed_service import gallery, headers, make
from service_toys import ToyEncoder

from service.app import create_app
from service.casework.cases import CaseStore
from service.keys import KeyStore
from service.refusing import refusing
from service.scopes import Scope
from service.searcher import Searcher
from service.settings import Settings
from service.writing import Writing

LONG = os.environ.get("CSKT_FUZZ") == "long"
EXAMPLES = 500 if LONG else 15
RAW_CASES = 20_000 if LONG else 1000


class Served:
    """A toy service on a real socket, in a thread; `shown` are the headers of who may ask."""

    def __init__(self, folder: Path, **more: object) -> None:
        settings = Settings(state=str(folder), refresh_seconds=0.5, requests_per_minute=0, **more)
        store = KeyStore(folder)
        casework = settings.profile == "casework"
        self.shown = headers(make(store, *((Scope.SEARCH,) if casework else Scope)))
        if casework:
            CaseStore(folder).begin("fuzzed", "report 12/26", "2999-01-01T00:00:00.000Z")
            self.shown |= {"Cskt-Case": "fuzzed", "Cskt-Purpose": "missing child"}
        rows = gallery()
        with pytest.MonkeyPatch.context() as patch:  # each operation is also asked with wrong keys
            patch.setattr("service.app.BAD_KEYS_PER_MINUTE", 10**9)
            self.app = create_app(settings, Searcher(ToyEncoder("\x00never"), rows, settings))
        self.open_writer = lambda: rows
        protocol = refusing(self.app.state.shedding, lambda: self.app.state.draining)
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, server_header=False, port=0, http=protocol
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def start(self) -> int:
        self.thread.start()
        while not self.server.started or not self.app.state.searcher.ready:
            time.sleep(0.01)
        self.app.state.writing = Writing(self.open_writer)
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, int]]:
    service = Served(tmp_path_factory.mktemp("state"))
    yield service, service.start()
    service.stop()


@pytest.fixture(scope="module")
def casework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, int]]:
    service = Served(tmp_path_factory.mktemp("casework"), profile="casework", people_per_day=100)
    yield service, service.start()
    service.stop()


def test_who_sends_too_much_hears_so_before_the_connection_is_closed(served: tuple[Served, int]) -> None:
    service, port = served
    size = 40_000_000  # more than sockets hold, so that closing at once would lose the answer
    head = f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {size}\r\n"
    head += f"Content-Type: application/json\r\nAuthorization: {service.shown['Authorization']}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode() + b" " * size)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"}")


def assert_nothing_is_found(service: Served, port: int, folder: Path) -> None:
    """By schemathesis, with all its checks, over every operation."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--seed", "1"),
        *("--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"),
        *(part for header in service.shown.items() for part in ("--header", ": ".join(header))),
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", run.stdout)
    assert tested is not None
    assert int(tested[1]) == sum(len(path) for path in service.app.openapi()["paths"].values())


@pytest.mark.slow
def test_schemathesis_finds_nothing(served: tuple[Served, int], tmp_path: Path) -> None:
    assert_nothing_is_found(*served, tmp_path)


@pytest.mark.skipif(not LONG, reason="casework is fuzzed by `make fuzz`")
def test_schemathesis_finds_nothing_in_casework(casework: tuple[Served, int], tmp_path: Path) -> None:
    """By a key that may search, for an open case; its day's people are spent on the way."""
    assert_nothing_is_found(*casework, tmp_path)


def _cases(draw: random.Random) -> Iterator[bytes]:
    """Requests that were right once, with some bytes turned, cut, doubled or put in."""
    body = b'{"text": "red coat", "top_k": 3}'
    right = (
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    seeds = [right, b"GET /v1/items/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
    seeds += [right.replace(b"Content-Length: 32", b"Transfer-Encoding: chunked")]
    while True:
        case = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(len(case) + 1)
            match draw.randrange(4):
                case 0:
                    case[at : at + 1] = bytes([draw.randrange(256)])
                case 1:
                    case[at:] = case[at:] if draw.random() < 0.7 else b""
                case 2:
                    case[at:at] = case[: draw.randrange(60)]
                case _:
                    case[at:at] = draw.choice(
                        [b"\x00", b"\r\n", b"\xff\xfe", b"A" * 9000, b"%00", b"../" * 9]
                    )
        yield bytes(case)


def test_bytes_that_are_no_http_harm_nobody(served: tuple[Served, int]) -> None:
    service, port = served
    draw, seen = random.Random(1), set()
    for _, case in zip(range(RAW_CASES), _cases(draw), strict=False):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            try:
                connection.sendall(case)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65_536)
            except OSError:  # it hung up on us, which it may
                continue
        if answer:
            seen.add(int(answer[9:12]))
    assert seen <= {200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 421, 422, 429, 431}, seen
    assert 401 in seen
    assert service.app.state.searcher.ready
    assert service.app.state.searcher.admission.inside == 0
