"""Ten thousand ways to tamper with the audit log, and crashes, which are not tampering."""

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from audit_logs import contents, record, tampered, two_books

from service.audit.places import Places
from service.audit.reading import Wanted, page, place_of, records
from service.audit.record import Record
from service.audit.verifier import check, check_files
from service.audit.writer import BookLog


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return two_books(tmp_path_factory.mktemp("state"))


def test_an_untouched_log_holds(places):
    books, heads, key = contents(places)
    assert sorted(books) == ["book-0001", "book-0002"]
    found = check(books, heads, key)
    assert (found.problems, found.notes, found.records) == ([], [], 20)
    assert check_files(places.books, places.key_file, places.heads).records == 20


def test_ten_thousand_tamperings_are_all_found(places):
    books, heads, key = contents(places)
    dice, missed = random.Random(4), []
    for number in range(10_000):
        changed, other_heads = tampered(books, heads, dice)
        if not check(changed, other_heads, key).problems:
            missed.append(number)
    assert missed == []


def test_every_truncation_is_found(places):
    books, heads, key = contents(places)
    for name, book in books.items():
        kept = [
            size for size in range(len(book)) if not check({**books, name: book[:size]}, heads, key).problems
        ]
        assert kept == []


def test_books_or_heads_taken_away_are_found_and_so_is_another_key(places):
    books, heads, key = contents(places)
    for name in books:
        assert check({other: book for other, book in books.items() if other != name}, heads, key).problems
        assert check(books, {other: head for other, head in heads.items() if other != name}, key).problems
    first = {"book-0001": books["book-0001"]}
    assert check({}, {}, key).problems
    assert check(
        first, {"book-0001": heads["book-0001"]}, key
    ).problems  # both of a book: the other one tells
    assert check(books, heads, bytes(32)).problems


def test_a_log_set_back_to_an_earlier_moment_is_found_by_a_head_kept_elsewhere(tmp_path):
    places = Places.of(tmp_path)
    log = BookLog(places)
    log.write_now(record(1))
    earlier = contents(places)
    log.write_now(record(2))
    key = earlier[2]
    kept = [json.dumps(asdict(head)) for head in places.heads_now(key)]
    log.write_now(record(3))
    log.close_now()
    assert check(*contents(places), kept).problems == []
    assert check(*earlier).problems == []  # nothing in the log itself can tell
    assert len(check(*earlier, kept).problems) == 1


def test_a_log_written_anew_with_the_key_is_found_by_a_head_kept_elsewhere(tmp_path):
    old = Places.of(tmp_path / "old")
    log = BookLog(old)
    log.write_now(record(1))
    log.close_now()
    kept = [json.dumps(asdict(head)) for head in old.heads_now(contents(old)[2])]
    forged = Places.of(tmp_path / "new")
    forged.make()
    shutil.copy(old.key_file, forged.key_file)
    log = BookLog(forged)
    log.write_now(record(9))
    log.close_now()
    assert check(*contents(forged)).problems == []
    assert len(check(*contents(forged), kept).problems) == 1


def test_what_a_crash_leaves_behind_the_acknowledged_is_noted_and_cut_off(tmp_path):
    places = two_books(tmp_path)
    book = places.book("book-0001")
    whole = book.read_bytes()
    for rest in (b'{"action":"sea', b"\0" * 700, b'\0\0\0arch"}\n'):
        book.write_bytes(book.read_bytes() + rest)
        found = check_files(places.books, places.key_file, places.heads)
        assert found.problems == []
        assert f"{len(rest)} bytes" in found.notes[0]
        BookLog(places).close_now()
        found = check_files(places.books, places.key_file, places.heads)
        assert (found.problems, found.notes) == ([], [])
        assert json.loads(book.read_bytes().splitlines()[-1])["facts"]["cut_bytes"] == len(rest)
    assert book.read_bytes().startswith(whole)


@pytest.mark.parametrize("beside", [b"", b"\0", b"half a line", b"\0\n\0"])
def test_a_forged_line_behind_the_end_is_found_and_never_read_as_a_record(tmp_path, beside):
    """Without the key nobody can chain it, whatever is put beside it to look like the rest of a crash."""
    places = two_books(tmp_path)
    book = places.book("book-0001")
    forged = book.read_bytes().splitlines(keepends=True)[-1].replace(b"coat", b"hats")
    before = list(records(places, Wanted()))
    for added in (forged + beside, beside + forged):
        whole = book.read_bytes()
        book.write_bytes(whole + added)
        found = check_files(places.books, places.key_file, places.heads)
        assert found.problems or (b"\0" in beside and added.startswith(b"\0") and found.notes)
        assert list(records(places, Wanted())) == before
        book.write_bytes(whole)


@pytest.mark.parametrize("harm", ["line added", "cut", "head gone", "last record changed"])
def test_nothing_is_added_to_a_book_that_was_tampered_with(tmp_path, harm):
    places = two_books(tmp_path)
    book = places.book("book-0001")
    whole = book.read_bytes()
    if harm == "line added":
        book.write_bytes(whole + whole.splitlines(keepends=True)[-1])
    elif harm == "cut":
        book.write_bytes(whole[:-300])
    elif harm == "head gone":
        places.head("book-0001").unlink()
    else:
        book.write_bytes(
            whole[:-5] + b"0" + whole[-4:] if whole[-5:-4] != b"0" else whole[:-5] + b"1" + whole[-4:]
        )
    harmed = book.read_bytes()
    log = BookLog(places)
    log.write_now(record(7))
    log.close_now()
    assert book.read_bytes() == harmed
    facts = json.loads(places.book("book-0002").read_bytes().splitlines()[-2])["facts"]
    assert list(facts["unsound"]) == ["book-0001"]
    assert check_files(places.books, places.key_file, places.heads).problems


def test_a_process_killed_again_and_again_loses_nothing_it_acknowledged(tmp_path):
    acknowledged, dice = set(), random.Random(7)
    for _ in range(8):
        writer = Path(__file__).with_name("audit_logs.py")
        process = subprocess.Popen([sys.executable, writer, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(dice.randint(1, 60)):
            acknowledged.add(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {int(line) for line in process.stdout if line.endswith("\n")}
        process.stdout.close()
        process.wait()
    places = Places.of(tmp_path)
    found = check_files(places.books, places.key_file, places.heads)
    assert found.problems == []
    lines = [
        json.loads(line)
        for book in contents(places)[0].values()
        for line in book.splitlines(True)
        if line[-1:] == b"\n"
    ]
    assert acknowledged <= {line["shown"][0] for line in lines if line["shown"]}


def test_pages_are_the_whole_log_in_the_order_of_time(tmp_path, monkeypatch):
    """Two books and a clock that jumps; against all lines, sorted."""
    places, dice = Places.of(tmp_path), random.Random(2)
    logs = [BookLog(places), BookLog(places)]
    for number in range(40):
        monkeypatch.setattr("service.audit.writer.time.time", lambda: dice.choice((1e9, 1.5e9, 2e9, 3e9)))
        logs[number % 2].write_now(Record("search", "k", "Ann", facts={"at": "2001", "n": number}))
    for log in logs:
        log.close_now()
    monkeypatch.undo()
    books, _, _ = contents(places)
    every = [{"book": name, **json.loads(line)} for name in books for line in books[name].splitlines()]
    for since in (None, "2017-07-14T02:40:00.000Z"):
        wanted, found, after = Wanted(since=since), [], None
        while some := page(places, wanted, after, 7):
            found += some
            after = place_of(some[-1])
        assert found == sorted((one for one in every if one["at"] >= (since or "")), key=place_of)
    assert len(every) == 42
