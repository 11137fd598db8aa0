"""What becomes of cases that are over, by command: their files are printed, and they go on for longer."""

import base64
import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from service_toys import jpeg, person

from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem
from service import cli
from service.casework.cases import CaseStore
from service.casework.entries import Entries, Entry
from service.keys import now

EARLIER, LATER = "2026-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"
PICTURES = {number: jpeg((40 * number, 30, 30)) for number in (1, 2, 3, 4)}


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """The options that name a gallery of four people; row n was seen by camera n % 3."""
    rows = [person("red coat", number) for number in PICTURES]
    dimension = len(rows[0].vector)
    with closing(
        open_gallery(tmp_path / "g", create_for=("toy", "f" * 16, dimension), write=True)
    ) as gallery:
        gallery.add([EmbeddedItem(row.item, row.vector, PICTURES[n]) for n, row in enumerate(rows, 1)])
    return ["--gallery", str(tmp_path / "g")]


@pytest.fixture
def cases(place: list[str]) -> CaseStore:
    """One that has expired, one of camera 1 that is closed, one that is open; each with the same file."""
    state = Path(f"{place[1]}.state")
    store = CaseStore(state)
    store.begin("over", "a warrant", EARLIER)
    store.begin("done", "a report", LATER, cameras=["camera-1"])
    store.end("done")
    store.begin("open", "a report", LATER)
    with closing(Entries(state)) as entries:
        for case in ("over", "done", "open"):
            entries.add(case, Entry("pin", "k", "Eve", 1, "red coat"))
            entries.add(case, Entry("decision", "k", "Eve", 2, "red coat", "same"))
            entries.add(case, Entry("note", "k", "Eve", words="<b>seen at the gate</b>"))
    return store


def shown(page: str) -> list[int]:
    """The people on a page, by their pictures."""
    pictures = [base64.b64decode(found) for found in re.findall(r"base64,([^\"]+)", page)]
    return [number for picture in pictures for number, known in PICTURES.items() if known == picture]


def report(place: list[str], case: str, out: Path) -> str:
    assert cli.main(["case", "report", case, "--to", str(out), *place]) == 0
    return out.read_text()


def test_the_file_of_a_case_that_is_over_is_printed(place, cases, tmp_path: Path, capsys) -> None:
    page = report(place, "over", tmp_path / "over.html")
    assert shown(page) == [2, 1]
    assert "Eve: same person" in page
    assert "&lt;b&gt;seen at the gate" in page
    assert "<dt>Open until</dt><dd>2026-01-01 00:00:00 UTC</dd>" in page
    assert (tmp_path / "over.html").stat().st_mode & 0o777 == 0o600
    assert cli.main(["case", "report", "over", "--to", str(tmp_path / "over.html"), *place]) == 2
    assert "cannot be written: File exists" in capsys.readouterr().err


def test_a_printed_case_keeps_to_its_cameras_and_says_when_it_was_closed(
    place, cases, tmp_path: Path
) -> None:
    page = report(place, "done", tmp_path / "done.html")
    assert shown(page) == [1]
    assert "<dt>Closed</dt>" in page
    assert "Open until" not in page
    assert "Left out" in page


def test_who_was_printed_is_on_record(place, cases, tmp_path: Path) -> None:
    report(place, "done", tmp_path / "done.html")
    report(place, "open", tmp_path / "open.html")
    assert cli.main(["case", "extend", "over", "--expires", "2d", *place]) == 0
    books = Path(f"{place[1]}.state", "audit").glob("book-*.jsonl")
    records = [json.loads(line) for book in books for line in book.read_text().splitlines()]
    told = [
        (one["action"], one["facts"]["id"], sorted(one["shown"])) for one in records if "id" in one["facts"]
    ]
    assert told == [("report", "done", [1]), ("report", "open", [1, 2]), ("case extend", "over", [])]


def test_a_case_goes_on_for_longer(place, cases, capsys) -> None:
    assert not cases.known("over").open_at(now())
    assert cli.main(["case", "extend", "over", "--expires", "2d", *place]) == 0
    assert cases.known("over").open_at(now())
    assert "is open until" in capsys.readouterr().out
    assert cli.main(["case", "extend", "done", "--expires", "2d", *place]) == 2
    assert "the case done was closed" in capsys.readouterr().err
    assert not cases.known("done").open_at(now())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "nothing", "--to", "x.html"], "there is no case nothing"),
        (["report", "over", "--to", "no/such/folder.html"], "cannot be written"),
        (["extend", "nothing", "--expires", "2d"], "there is no case nothing"),
        (["extend", "over", "--expires", "soon"], "write 90d"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place, cases, monkeypatch, tmp_path, capsys, words, says
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["case", *words, *place]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_without_a_gallery_there_are_no_pictures_to_print(place, cases, capsys) -> None:
    state = ["--state", f"{place[1]}.state"]
    assert cli.main(["case", "report", "over", "--to", "x.html", *state]) == 2
    assert "give --gallery FOLDER" in capsys.readouterr().err
