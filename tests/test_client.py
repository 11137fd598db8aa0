"""The Python client against a real socket, and against servers that are not cskt."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import uvicorn
from keyed_service import gallery, make
from PIL import Image
from service_toys import COLOURS, ToyEncoder, jpeg

from service.app import create_app
from service.client import Client, Refused, Unreachable, picture
from service.keys import KeyStore
from service.schemas.search import SearchRequest
from service.schemas.uploads import Upload
from service.scopes import Scope
from service.searcher import Searcher
from service.settings import Settings
from service.writing import Writing


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Of a service, and a key for it."""
    folder: Path = tmp_path_factory.mktemp("state")
    settings = Settings(state=str(folder))
    store = KeyStore(folder)
    key, rows = make(store, *Scope), gallery()
    app = create_app(settings, Searcher(ToyEncoder(), rows, settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started or not app.state.searcher.ready:
        time.sleep(0.01)
    app.state.writing = Writing(lambda: rows)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", key
    server.should_exit = True
    thread.join(30)
    store.close()


def test_every_method_speaks_with_the_service(address: tuple[str, str]) -> None:
    with Client(*address) as client:
        best = client.search("blue dress", top_k=2).hits[0]
        assert (best.id, best.score) == (5, pytest.approx(1, abs=1e-5))
        assert client.search(parts=[{"item": 5}], filter={"cameras": ["camera-2"]}, top_k=1).hits[0].id == 5
        two = client.search_batch([SearchRequest(text="red cap"), SearchRequest(text="poison")])
        assert two.answers[0].answer is not None
        assert two.answers[0].answer.hits[0].id == 3
        assert two.answers[1].problem is not None
        assert client.item(5).attributes["upper"] == "blue"
        assert client.image(5) == jpeg()
        assert [one.id for one in client.neighbours(5, "time", minutes=1440).neighbours] == [2, 8, 11]
        assert client.gallery().items == 12
        assert (client.jobs().jobs, client.rejected().rejected) == ([], [])
        assert client.encoder().name == "toy"
        assert len(client.embeddings(["red", "blue"]).data) == 2
        data = io.BytesIO()
        Image.new("RGB", (20, 40), COLOURS["green"]).save(data, "PNG")
        stored = client.upload([Upload(image=picture(data.getvalue()), camera="gate")]).items[0]
        assert stored.status == "stored"
        assert stored.id is not None
        client.remove(stored.id)
        with pytest.raises(Refused) as refused:
            client.item(stored.id)
        assert refused.value.problem.status == 404
        assert str(refused.value) == f"There is no item {stored.id} in this gallery."


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that answers in this way."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(30)


class Quiet(BaseHTTPRequestHandler):
    """Answers every GET and DELETE by `answer`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def log_message(self, *unused: object) -> None: ...


def test_a_connection_that_the_service_closed_is_opened_again() -> None:
    """After a pause, whatever is asked: a removal too, which must not be sent twice."""
    asked: list[str] = []

    class HangingUp(Quiet):
        def answer(self) -> None:
            asked.append(self.command)
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True  # without saying so

    with served(HangingUp) as url, Client(url) as client:
        client.image(1)
        for _ in range(2):
            while not client._hung_up():  # until the end has arrived here
                time.sleep(0.01)
            client.remove(1)
    assert asked == ["GET", "DELETE", "DELETE"]


def test_a_patient_client_does_not_wait_for_tomorrow() -> None:
    class Spent(Quiet):
        def answer(self) -> None:
            body = b'{"type": "t", "title": "t", "status": 429, "detail": "Spent.", "instance": "/"}'
            self.send_response(429)
            self.send_header("Retry-After", "30000")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served(Spent) as url, Client(url, patient=True) as client, pytest.raises(Refused) as refused:
        client.image(1)
    assert refused.value.retry_after == 30_000


def test_refusals_carry_the_services_sentence(address: tuple[str, str]) -> None:
    url, _ = address
    with Client(url, "cskt_no_key") as client, pytest.raises(Refused, match="needs a key"):
        client.gallery()


@pytest.fixture
def moody() -> Iterator[tuple[str, list[str]]]:
    """A server that is busy twice, then answers; and what it was asked."""
    asked: list[str] = []

    class Moody(Quiet):
        def answer(self) -> None:
            asked.append(self.path)
            busy = len(asked) <= 2
            problem = b'{"type": "t", "title": "t", "status": 503, "detail": "Busy.", "instance": "/"}'
            body = problem if busy else b'{"id": 1}' if self.path.endswith("/1") else b"<html>"
            self.send_response(503 if busy else 200)
            self.send_header("Content-Length", str(len(body)))
            if busy:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

    with served(Moody) as url:
        yield f"{url}/below", asked


def test_a_patient_client_tries_again_as_it_is_told(moody: tuple[str, list[str]]) -> None:
    url, asked = moody
    with Client(url) as hasty, pytest.raises(Refused, match="Busy"):
        hasty.image(7)
    with Client(url, patient=True) as patient:
        assert patient.image(7) == b"<html>"
    assert asked == ["/below/v1/images/7"] * 3


def test_what_is_not_cskt_is_told_apart(moody: tuple[str, list[str]]) -> None:
    url, _ = moody
    with Client(url, patient=True) as client, pytest.raises(Unreachable, match="none of this version"):
        client.gallery()
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable, match="does not answer"):
        client.gallery()
    with pytest.raises(ValueError, match="is no address"):
        Client("ftp://somewhere")
