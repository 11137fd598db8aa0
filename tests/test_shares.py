"""Shares: together everything, never anything twice, the same on every machine."""

import argparse
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tars import jpeg

from indexer.items import Rejected
from indexer.shares import WHOLE, Share, share
from indexer.sources import open_source
from indexer.sources.scope import Scope


@given(st.lists(st.text(), unique=True), st.integers(1, 40), st.randoms())
def test_every_key_belongs_to_exactly_one_share_whatever_the_order(keys, count, random) -> None:
    parts = [{key for key in keys if Share(n, count).holds(key)} for n in range(1, count + 1)]
    assert sum(map(len, parts)) == len(keys)
    assert set().union(*parts) == set(keys)
    shuffled = random.sample(keys, len(keys))
    assert parts == [{key for key in shuffled if Share(n, count).holds(key)} for n in range(1, count + 1)]


def test_shares_are_those_of_every_machine_and_of_the_next_version() -> None:
    """Recorded; another hash would deal a data set out anew, and index half of it twice."""
    held = [n for key in ("a.jpg", "b.jpg", "ü", "") for n in range(1, 8) if Share(n, 7).holds(key)]
    assert held == [5, 3, 3, 2]


def test_shares_are_of_about_the_same_size() -> None:
    sizes = [sum(Share(n, 8).holds(f"/people/{key:06d}.jpg") for key in range(8000)) for n in range(1, 9)]
    assert all(abs(size - 1000) < 5 * 1000**0.5 for size in sizes)


def test_the_whole_holds_everything() -> None:
    assert WHOLE.holds("a")
    assert WHOLE.holds("\ud800")
    assert share(" 2/8 ") == Share(2, 8)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0/8", r"the shares of 8 are 1/8 to 8/8"),
        ("9/8", r"the shares of 8 are 1/8 to 8/8"),
        ("0/0", r"there can be 1 to 100,000 shares"),
        ("1/999999", r"there can be 1 to 100,000 shares"),
        ("2", r"write i/n, for example 2/8"),
        ("-1/8", r"write i/n"),
        ("1/8/9", r"write i/n"),
        ("a/b", r"write i/n"),
        ("１/８", r"write i/n"),
        ("", r"write i/n"),
    ],
)
def test_what_is_no_share_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=sentence):
        share(text)


@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_a_source_in_shares_gives_each_entry_once_and_says_how_many(tmp_path, kind) -> None:
    for number in range(40):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing")
    lines = ["path,seen_at", *(f"{number}.jpg," for number in range(40)), "1.jpg,yesterday", "none.jpg,"]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    place = f"manifest:{tmp_path}/m.csv" if kind == "manifest" else f"folder:{tmp_path}"

    def keys(scope: Scope) -> list[str]:
        source = open_source(place, scope)
        found = [entry.key if isinstance(entry, Rejected) else entry.item.key for entry in source]
        assert source.total == len(found)
        return found

    parts = [keys(Scope(Share(number, 4))) for number in range(1, 5)]
    assert all(parts)
    assert sorted(itertools.chain(*parts)) == sorted(keys(Scope()))
