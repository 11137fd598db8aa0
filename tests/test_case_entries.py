"""Entries as they are kept: in their order, through versions and restarts."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

from service.casework.entries import Entries, Entry


def test_entries_of_an_earlier_version_were_asked_in_words(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "entries.db")) as earlier:
        earlier.execute(
            "CREATE TABLE entry (number INTEGER PRIMARY KEY AUTOINCREMENT, investigation TEXT NOT NULL,"
            " key TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, item INTEGER,"
            " query TEXT NOT NULL, verdict TEXT, words TEXT NOT NULL) STRICT"
        )
        earlier.execute(
            "INSERT INTO entry VALUES (1, 'a', 'k', 'n', '2026-01-01', 'decision', 7, 'red', 'same', '')"
        )
        earlier.commit()
    with closing(Entries(tmp_path)) as entries, closing(Entries(tmp_path)) as beside:
        beside.add("a", Entry("pin", "k", "n", 8, "coat", asked="words and more"))
        assert [(one.query, one.asked) for one in entries.of_case("a")] == [
            ("red", "words"),
            ("coat", "words and more"),
        ]


def test_entries_survive_and_stand_in_their_order(tmp_path: Path) -> None:
    entries = Entries(tmp_path)
    written = [Entry("note", "k", "n", words=str(number)) for number in range(5)]
    for case, entry in itertools.product("ab", written):
        entries.add(case, entry)
    entries.close()
    again = Entries(tmp_path)
    assert [entry.words for entry in again.of_case("b")] == list("01234")
    assert {case: len(found) for case, found in again.by_case().items()} == {"a": 5, "b": 5}
