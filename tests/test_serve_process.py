"""A real `cskt serve`: starts, answers, takes up new rows, stops in order; or says in a sentence why not."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from service_toys import jpeg
from tiny_encoder import tiny_checkpoint

from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from model.embedder import Embedder, open_embedder
from service import cli
from service.server import bind
from service.settings import Settings


@dataclass(frozen=True)
class Site:
    """A gallery and the encoder that made it."""

    gallery: Path
    checkpoint: Path
    embedder: Embedder

    def add(self, *words: str) -> None:
        """Rows whose vectors are those of the words, from this process."""
        vectors = self.embedder.embed_texts(words)
        rows = [
            EmbeddedItem(
                GalleryItem(key=text, uri=f"/secret/{text}.jpg", source="folder:/secret", camera="gate"),
                vector,
                jpeg(),
            )
            for text, vector in zip(words, vectors, strict=True)
        ]
        made_by = (str(self.checkpoint), self.embedder.fingerprint, self.embedder.dimension)
        gallery = open_gallery(self.gallery, create_for=made_by, write=True)
        try:
            assert gallery.add(rows) == len(words)
        finally:
            gallery.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    checkpoint = tiny_checkpoint(folder / "encoder", seed=1)
    site = Site(folder / "gallery", checkpoint, open_embedder(str(checkpoint)))
    site.add("a red coat", "a blue dress", "a green cap")
    return site


@dataclass(frozen=True)
class Served:
    """A running service."""

    process: "subprocess.Popen[str]"
    url: str

    def get(self, path: str, body: object = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def best(self, text: str) -> tuple[int, float]:
        status, body = self.get("/v1/search", {"text": text, "top_k": 1})
        assert status == 200
        return body["hits"][0]["id"], body["hits"][0]["score"]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self.process.poll() is None
            time.sleep(0.05)

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def serving(gallery: Path) -> Iterator[Served]:
    # One thread: with more, a busy machine lets them wait for each other for seconds.
    alone = {**os.environ, "CSKT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "service", "serve", "--gallery", str(gallery), "--port", "0"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=alone
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line or process.communicate(timeout=60)
        served = Served(process, found.group())
        served.wait_until(lambda: served.get("/readyz")[0] == 200)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_answers_takes_up_new_rows_and_ends_in_order(site: Site) -> None:
    with serving(site.gallery) as served:
        id, score = served.best("a blue dress")
        assert id == 2
        assert score == pytest.approx(1.0, abs=1e-3)
        with urllib.request.urlopen(f"{served.url}/v1/images/{id}", timeout=30) as image:
            assert image.read() == jpeg()
        assert psutil.Process(served.process.pid).memory_info().rss < 1.5e9

        before = served.get("/v1/gallery")[1]["items"]
        site.add("a purple poncho")
        served.wait_until(lambda: served.best("a purple poncho")[1] > 0.99)
        served.wait_until(lambda: served.get("/v1/gallery")[1]["items"] == before + 1)

        code, out, err = served.stop(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in err
    assert "POST /v1/search 200" in err
    for leak in ("poncho", "dress", "/secret"):
        assert leak not in out + err


def test_ctrl_c_ends_it_in_order_too(site: Site) -> None:
    with serving(site.gallery) as served:
        code, out, err = served.stop(signal.SIGINT)
    assert (code, out) == (0, "Stopped.\n")
    assert "Traceback" not in err


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence with which `cskt serve` refuses; nothing else may be printed."""
    assert cli.main(["serve", "--port", "0", *arguments]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith("cskt: ")
    assert told.err.count("\n") == 1
    return told.err


BODY = b'{"text": "coat"}'


def test_it_ends_without_breaking_a_request(site: Site) -> None:
    """Clients with kept connections ask without a pause while it is told to end."""
    ends, ending = threading.Event(), threading.Event()
    broken: list[object] = []
    answered = [0]

    def ask(port: int) -> None:
        connection, fresh = None, True
        while not ends.is_set():
            fresh = connection is None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    connection.connect()
                except OSError:  # nobody takes connections any more: that is no broken request
                    return
            try:
                connection.request("POST", "/v1/search", BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                # one that still waited to be taken when the door closed was never read
                if not (fresh and ending.is_set()):
                    broken.append(repr(error))
                return
            if answer.status != 200:
                broken.append(answer.status)
            answered[0] += 1
            time.sleep(0.02)
            if answer.getheader("connection", "").lower() == "close":
                connection = None

    with serving(site.gallery) as served:
        port = int(served.url.rpartition(":")[2])
        clients = [threading.Thread(target=ask, args=(port,)) for _ in range(4)]
        for client in clients:
            client.start()
        while answered[0] < 40:
            time.sleep(0.01)
        ending.set()
        served.process.send_signal(signal.SIGTERM)
        while served.get("/readyz")[0] == 200:
            pass
        at_signal = answered[0]
        served.process.communicate(timeout=30)
        assert served.process.returncode == 0
        ends.set()
        for client in clients:
            client.join(30)
    assert broken == []
    assert answered[0] > at_signal  # it went on answering when it was not ready any more


def test_a_missing_gallery(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path / "nowhere") in refusal(capfd, "--gallery", str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_gallery(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gallery.db").write_bytes(np.random.default_rng(0).bytes(50_000))
    assert "gallery.db" in refusal(capfd, "--gallery", str(tmp_path))


def test_another_encoder(site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = tiny_checkpoint(tmp_path / "other", seed=2)
    told = refusal(capfd, "--gallery", str(site.gallery), "--encoder", str(other))
    assert site.embedder.fingerprint[:12] in told
    assert str(other) in told


def test_a_missing_encoder(site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = refusal(capfd, "--gallery", str(site.gallery), "--encoder", str(tmp_path / "none"))
    assert str(tmp_path / "none") in told


def test_a_port_in_use_by_a_running_service(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(site.gallery) as served:
        port = served.url.rpartition(":")[2]
        assert cli.main(["serve", "--gallery", str(site.gallery), "--port", port]) == 2
        told = capfd.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert f"Port {port}" in told.err
        assert served.get("/livez")[0] == 200


ASKED_EARLY = """
import socket, sys
from service import cli, searcher

async def start(self, start=searcher.Searcher.start):
    await start(self)
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5).close()
        print("let in", flush=True)
    except ConnectionRefusedError:
        print("refused", flush=True)

searcher.Searcher.start = start
sys.exit(cli.main(["serve", "--gallery", sys.argv[1], "--port", sys.argv[2]]))
"""


def free_port() -> int:
    with bind(Settings(port=0)) as holder:
        return int(holder.getsockname()[1])


def test_nobody_is_let_wait_while_it_starts(site: Site) -> None:
    """A proxy that is refused asks another replica; one that waits in the queue of a socket waits for all."""
    command = [sys.executable, "-c", ASKED_EARLY, str(site.gallery), str(free_port())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        told = [process.stdout.readline(), process.stdout.readline()]
        process.terminate()
    assert told[0] == "refused\n"
    assert told[1].startswith("Serving the page")


TOLD_TO_STOP = """
import os, signal, sys
from service import cli, searcher

async def start(self, start=searcher.Searcher.start):
    await start(self)
    os.kill(os.getpid(), signal.SIGTERM)

searcher.Searcher.start = start
sys.exit(cli.main(["serve", "--gallery", sys.argv[1], "--port", "0"]))
"""


def test_told_to_stop_while_it_starts_it_never_listens(site: Site) -> None:
    command = [sys.executable, "-c", TOLD_TO_STOP, str(site.gallery)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Traceback" not in done.stderr


TAKEN_MEANWHILE = """
import socket, sys
from service import cli, server

def taken(settings, bind=server.bind):
    holder, other = bind(settings), socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(holder.getsockname())
    other.listen()
    kept.append(other)
    return holder

kept, server.bind = [], taken
sys.exit(cli.main(["serve", "--gallery", sys.argv[1], "--port", "0"]))
"""


def test_a_port_that_another_program_takes_while_it_starts(site: Site) -> None:
    command = [sys.executable, "-c", TAKEN_MEANWHILE, str(site.gallery)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"^cskt: Port \d+ at 127.0.0.1 is in use", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


def test_small_answers_are_sent_at_once() -> None:
    """asyncio switches Nagle's algorithm off only on sockets that name TCP (72 ms became 23 ms a query)."""
    with bind(Settings(port=0)) as holder:
        assert holder.proto == socket.IPPROTO_TCP
