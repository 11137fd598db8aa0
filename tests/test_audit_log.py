"""Writing the audit log: durable before acknowledged, in groups, through failing disks and jumping clocks."""

import asyncio
import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from audit_logs import contents, record
from fastapi.testclient import TestClient
from service_toys import ToyEncoder, ToyGallery, person

from service.app import create_app
from service.audit import writer
from service.audit.places import Places
from service.audit.verifier import check
from service.audit.writer import BookLog
from service.cli import main
from service.errors import NotRecorded, ServeError
from service.searcher import Searcher
from service.settings import Settings


def lines(places, name="book-0001"):
    return [json.loads(line) for line in places.book(name).read_bytes().splitlines()]


def test_nothing_is_acknowledged_before_it_and_its_head_are_synced(tmp_path, monkeypatch):
    places, synced, acknowledged, sync = Places.of(tmp_path), {}, [1], os.fdatasync
    log, settle = BookLog(places), writer._settle

    def note(descriptor):
        sync(descriptor)
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced[file.suffix] = file.read_bytes()

    def count(waiting, durable):
        acknowledged.append(acknowledged[-1] + len(waiting))
        assert json.loads(synced[".head"])["seq"] == acknowledged[-1]
        assert synced[".jsonl"].count(b"\n") == acknowledged[-1]
        settle(waiting, durable)

    monkeypatch.setattr(os, "fdatasync", note)
    monkeypatch.setattr(writer, "_settle", count)

    async def one(first):
        for number in range(first, first + 3):
            await log.write(record(number))

    async def all_of_them():
        await asyncio.gather(*(one(3 * number) for number in range(100)))
        await log.close()

    asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert acknowledged[-1] == 301
    found = check(*contents(places))
    assert (found.problems, found.records) == ([], 301)


def test_records_that_come_during_a_sync_share_the_next_one(tmp_path, monkeypatch):
    places, sync, syncs = Places.of(tmp_path), os.fdatasync, []
    log, gate, reached = BookLog(places), threading.Event(), threading.Event()

    def slow(descriptor):
        syncs.append(descriptor)
        reached.set()
        assert gate.wait(30)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)

    async def scene():
        first = asyncio.create_task(log.write(record(0)))
        await asyncio.to_thread(reached.wait, 30)
        rest = [asyncio.create_task(log.write(record(number))) for number in range(1, 51)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *rest)
        await log.close()

    asyncio.run(scene())
    assert len(syncs) == 4  # book and head, for one record and for fifty
    assert check(*contents(places)).records == 52


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_record_that_the_disk_refuses_is_refused_and_the_log_goes_on_soundly(
    tmp_path, monkeypatch, call, code
):
    places = Places.of(tmp_path)
    log = BookLog(places)
    log.write_now(record(1))
    real = getattr(os, call)
    for after in (0, 1):  # the book, its head
        calls = iter(range(100))

        def fail(descriptor, *rest, calls=calls, after=after):
            if next(calls) == after:
                raise OSError(code, os.strerror(code))
            return real(descriptor, *rest)

        with monkeypatch.context() as failing:
            failing.setattr(os, call, fail)
            with pytest.raises(NotRecorded):
                log.write_now(record(666))
        log.write_now(record(2 + after))
        assert check(*contents(places)).problems == []
    log.close_now()
    found = [line for name in places.names() for line in lines(places, name)]
    assert {line["shown"][0] for line in found if line["shown"]} >= {1, 2, 3}
    assert 666 not in {line["shown"][0] for line in found if line["shown"]}


def test_half_a_record_on_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    places, real = Places.of(tmp_path), os.pwrite
    log = BookLog(places)
    whole = places.book("book-0001").read_bytes()

    def half(descriptor, content, at):
        if at and len(content) > 20:
            return real(descriptor, content[:20], at)
        if at:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, content, at)

    with monkeypatch.context() as failing:
        failing.setattr(
            os,
            "pwrite",
            lambda descriptor, content, at: (
                half(descriptor, content[:60], at) if at else half(descriptor, content, at)
            ),
        )
        with pytest.raises(NotRecorded):
            log.write_now(record(1))
    assert places.book("book-0001").read_bytes() == whole
    log.write_now(record(2))
    log.close_now()
    found = check(*contents(places))
    assert (found.problems, found.notes, found.records) == ([], [], 2)


def test_a_clock_that_jumps_back_breaks_nothing(tmp_path, monkeypatch):
    places = Places.of(tmp_path)
    log = BookLog(places)
    for number, moment in enumerate((2e9, 1e9, 3e9)):
        monkeypatch.setattr(writer.time, "time", lambda moment=moment: moment)
        log.write_now(record(number))
    log.close_now()
    assert [line["seq"] for line in lines(places)] == [1, 2, 3, 4]
    assert [line["at"][:4] for line in lines(places)[1:]] == ["2033", "2001", "2065"]
    assert check(*contents(places)).problems == []


def test_a_long_book_is_followed_by_another(tmp_path):
    places = Places.of(tmp_path)
    log = BookLog(places, longest=1500)
    for number in range(20):
        log.write_now(record(number))
    log.close_now()
    assert len(places.names()) > 3
    found = check(*contents(places))
    assert found.problems == []
    assert found.records == 20 + len(places.names())


def test_a_log_without_its_key_is_not_begun_anew(tmp_path):
    places = Places.of(tmp_path)
    BookLog(places).close_now()
    places.key_file.unlink()
    with pytest.raises(ServeError, match="missing"):
        BookLog(places)
    assert not places.key_file.exists()


def test_a_log_is_not_gone_on_with_by_another_key(tmp_path):
    places = Places.of(tmp_path)
    BookLog(places).close_now()  # an empty book is enough
    for record_first in (False, True):
        if record_first:
            log = BookLog(places)
            log.write_now(record(1))
            log.close_now()
        key = places.key_file.read_text()
        places.key_file.write_text("00" * 32)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(ServeError, match="is not that of the audit log"):
            BookLog(places)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        places.key_file.write_text(key)
    head = places.head("book-0001")
    head.write_bytes(head.read_bytes().replace(b'"seal":"', b'"seal":" '))
    log = BookLog(places)  # a damaged head is not another key: the first record tells
    log.write_now(record(2))
    log.close_now()
    assert places.names() == ["book-0001", "book-0002"]


def test_all_files_are_for_their_owner_only(tmp_path):
    places = Places.of(tmp_path)
    BookLog(places).close_now()
    files = [places.key_file, places.book("book-0001"), places.head("book-0001")]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.fixture
def client(tmp_path):
    settings = Settings(state=str(tmp_path), refresh_seconds=0.02)
    rows = ToyGallery([person("red coat", 1, 1), person("blue coat", 2, 2)])
    app = create_app(settings, Searcher(ToyEncoder(), rows, settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def test_a_search_is_recorded_with_what_was_shown_and_can_be_read(client, tmp_path):
    shown = [hit["id"] for hit in client.post("/v1/search", json={"text": "red coat"}).json()["hits"]]
    client.get("/v1/images/2")
    client.get("/v1/items/999")
    page = client.get("/v1/audit", params={"limit": 2}).json()
    assert [found["action"] for found in page["records"]] == ["open", "search"]
    searched = page["records"][1]
    assert (searched["words"], searched["shown"], searched["status"]) == ("red coat", shown, 200)
    assert (searched["address"], searched["name"]) == ("testclient", "this machine")
    rest = client.get("/v1/audit", params={"after": page["next"]}).json()
    assert [found["action"] for found in rest["records"]] == ["view", "audit"]
    assert rest["records"][0]["shown"] == [2]
    assert rest["next"] is None
    only = client.get("/v1/audit", params={"action": "view"}).json()["records"]
    assert [found["seq"] for found in only] == [3]
    assert client.get("/v1/audit", params={"until": "2001-01-01"}).json()["records"] == []
    assert client.get("/v1/audit", params={"after": "../../etc"}).status_code == 422
    assert check(*contents(Places.of(tmp_path))).problems == []


def test_what_cannot_be_recorded_is_not_answered(client, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as failing:
        failing.setattr(os, "pwrite", full)
        answer = client.post("/v1/search", json={"text": "red coat"})
        picture = client.get("/v1/images/1")
    for refused in (answer, picture):
        assert refused.status_code == 503
        assert "cannot be recorded" in refused.json()["detail"]
        assert set(refused.json()) == {"type", "title", "status", "detail", "instance"}
    assert client.post("/v1/search", json={"text": "red coat"}).status_code == 200


def test_the_commands_check_show_and_export(client, tmp_path, capsys):
    client.post("/v1/search", json={"text": "red coat"})
    state = ["--state", str(tmp_path)]
    assert main(["audit", "head", *state]) == 0
    (tmp_path / "kept").write_text(capsys.readouterr().out)
    assert main(["audit", "verify", *state, "--head", str(tmp_path / "kept")]) == 0
    assert capsys.readouterr().out == "2 records hold.\n"
    assert main(["audit", "show", *state, "--action", "search"]) == 0
    assert "search  by this machine  'red coat'" in capsys.readouterr().out
    assert main(["audit", "export", *state, "--action", "search"]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == "red coat"
    assert main(["audit", "export", *state, "--action", "search", "--format", "csv"]) == 0
    assert capsys.readouterr().out.count("red coat") == 1
    book = tmp_path / "audit" / "book-0001.jsonl"
    book.write_bytes(book.read_bytes().replace(b"red coat", b"tan coat"))
    assert main(["audit", "verify", *state]) == 2
    assert "Record 2 of book-0001 has been altered" in capsys.readouterr().err
    places = Places.of(tmp_path)
    command = [sys.executable, "-m", "service.audit.verifier", places.books, "--key", places.key_file]
    done = subprocess.run([*command, "--heads", places.heads], capture_output=True, text=True)
    assert (done.returncode, "NOT as it was written" in done.stdout) == (2, True)


def test_a_command_that_changes_a_gallery_is_recorded_only_beside_a_service(tmp_path, capsys):
    gallery = tmp_path / "people"
    assert main(["gallery", "compact", "--gallery", str(gallery)]) == 2  # there is none
    assert not list(tmp_path.iterdir())
    (tmp_path / "people.state").mkdir()
    assert main(["gallery", "compact", "--gallery", str(gallery)]) == 2
    places = Places.of(tmp_path / "people.state")
    found = [line for line in lines(places) if line["action"] == "compact"]
    assert [line["facts"].get("ended", "begun") for line in found] == ["begun", "with an error"]
    assert check(*contents(places)).problems == []
    capsys.readouterr()
