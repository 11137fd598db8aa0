"""Shards: samples out of tars, under keys that never change, whatever else lies in them."""

import itertools
import json
import os
from pathlib import Path

import pytest
from made_tars import END, jpeg, member, tar

from indexer.errors import SourceError
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.shares import Share
from indexer.sources.scope import Scope
from indexer.sources.shards import ShardsSource


def read(place: Path | str, scope: Scope | None = None) -> tuple[list[RawImage], list[Rejected]]:
    entries = list(ShardsSource(str(place), scope or Scope()))
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    return [entry for entry in entries if isinstance(entry, RawImage)], rejected


def names(images: list[RawImage]) -> list[str]:
    return [image.item.uri.partition("#")[2] for image in images]


def test_a_sample_is_a_picture_with_the_facts_beside_it(tmp_path: Path) -> None:
    facts = {"camera": "gate", "seen_at": 1777636800, "track": 7, "box": [1, 2, 11, 32], "bags": 2, "x": None}
    files = {
        "a/000.json": json.dumps(facts).encode(),  # before the picture or behind it
        "a/000.jpg": jpeg(1),
        "a/001.jpg": jpeg(2),
        "a/001.cls": b"12\n",
        "a/001.txt": "a woman in röd".encode(),
        "a/002.png": jpeg(3),
        "a/003.npy": b"no picture",
    }
    place = tmp_path / "s.tar"
    place.write_bytes(tar(files))
    images, rejected = read(place)
    assert rejected == []
    source = f"shards:{place}"
    assert [image.item for image in images] == [
        GalleryItem(
            key=f"{place}#a/000.jpg#xywh=1,2,10,30",
            uri=f"{place}#a/000.jpg",
            source=source,
            box=Box(1, 2, 11, 32),
            camera="gate",
            seen_at="2026-05-01T12:00:00.000Z",
            track="7",
            attributes={"bags": 2},
        ),
        GalleryItem(
            f"{place}#a/001.jpg",
            f"{place}#a/001.jpg",
            source,
            attributes={"cls": 12, "txt": "a woman in röd"},
        ),
        GalleryItem(f"{place}#a/002.png", f"{place}#a/002.png", source),
    ]
    assert [image.data for image in images] == [jpeg(1), jpeg(2), jpeg(3)]


def test_a_key_among_the_facts_hides_no_other_picture(tmp_path: Path) -> None:
    """img2dataset writes the same ones in each data set, and a sample may have two pictures."""
    facts = {"000.json": json.dumps({"key": "000000000", "camera": "gate"}).encode()}
    for number, pictures in enumerate((["000.jpg"], ["000.jpg"], ["000.a.png", "000.b.png"])):
        named = {name: jpeg(10 * number + place) for place, name in enumerate(pictures)}
        (tmp_path / f"s-{number}.tar").write_bytes(tar(facts | named))
    images, rejected = read(tmp_path)
    assert rejected == []
    places = ["s-0.tar#000.jpg", "s-1.tar#000.jpg", "s-2.tar#000.a.png", "s-2.tar#000.b.png"]
    assert [image.item.key for image in images] == [f"{tmp_path}/{place}" for place in places]
    assert [dict(image.item.attributes) for image in images] == [{"key": "000000000"}] * 4


def test_further_pictures_of_a_sample_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    order = [
        "1.jpg",
        "1.mask.png",
        "._1.jpg",
        "2026.05.01-a.jpg",
        "2026.05.01-b.jpg",
        ".git/x.jpg",
        "./3.jpg",
    ]
    (tmp_path / "s.tar").write_bytes(tar(dict.fromkeys(order, jpeg())))
    images, _ = read(tmp_path / "s.tar")
    assert names(images) == ["1.jpg", "2026.05.01-a.jpg", "2026.05.01-b.jpg", "./3.jpg"]


def test_of_two_members_with_one_name_the_first_counts(tmp_path: Path) -> None:
    data = member("1.jpg", jpeg(1)) + member("1.jpg", jpeg(2)) + END
    (tmp_path / "s.tar").write_bytes(data)
    images, rejected = read(tmp_path / "s.tar")
    assert ([image.data for image in images], rejected) == ([jpeg(1)], [])


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"1.json": b"[1]"}, "1.json beside it is no JSON object."),
        ({"1.json": b"{"}, "1.json beside it is no JSON object."),
        ({"1.json": b"[" * 100_000}, "1.json beside it is no JSON object."),
        ({"1.txt": b"\xff\xfe"}, "1.txt beside it is no UTF-8 text."),
        (
            {"1.json": b'{"box": "1,2"}'},
            "column box: '1,2' is no box; write left,top,right,bottom in pixels.",
        ),
        ({"1.json": b'{"tags": {}}'}, "column tags: an attribute is a text, a number, true or false."),
    ],
)
def test_bad_facts_cost_their_sample_only(tmp_path: Path, beside: dict[str, bytes], reason: str) -> None:
    (tmp_path / "s.tar").write_bytes(tar({"0.jpg": jpeg(), "1.jpg": jpeg(), **beside, "2.jpg": jpeg()}))
    images, rejected = read(tmp_path / "s.tar")
    assert names(images) == ["0.jpg", "2.jpg"]
    assert (rejected[0].key, rejected[0].reason) == (f"{tmp_path}/s.tar#1.jpg", reason)


def test_a_broken_shard_gives_what_came_before_and_the_others_come_whole(tmp_path: Path) -> None:
    whole = tar({f"{n}.jpg": jpeg(n) for n in range(4)})
    for number in range(3):
        (tmp_path / f"s-{number}.tar").write_bytes(whole)
    (tmp_path / "s-1.tar").write_bytes(whole[: 3 * 512 * 2 + 700])
    images, rejected = read(tmp_path)
    shard = [image.item.uri.partition("#")[0].rpartition("/")[2] for image in images]
    assert (shard.count("s-0.tar"), shard.count("s-2.tar")) == (4, 4)
    assert 0 < shard.count("s-1.tar") < 4
    [broken] = rejected
    assert broken.key == f"{tmp_path}/s-1.tar#damage"
    assert broken.reason.startswith("the shard s-1.tar broke at byte 3,772 near ")


def test_a_picture_too_large_is_rejected_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.sources.shards.MOST_BYTES", 1000)
    (tmp_path / "s.tar").write_bytes(tar({"1.jpg": b"x" * 1001, "2.jpg": jpeg()}))
    images, [rejected] = read(tmp_path / "s.tar")
    assert names(images) == ["2.jpg"]
    assert rejected.reason == "has 1,001 bytes; at most 1,000 are read."


def test_a_sample_without_end_is_taken_in_parts(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar({f"1.{n}.jpg": jpeg() for n in range(200)}))
    assert len(read(tmp_path / "s.tar")[0]) == 200


def test_patterns_folders_and_compressed_shards_name_the_same_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for a in range(2):
        for b in (8, 9, 10):
            (tmp_path / f"s{a}-{b:03d}.tar").write_bytes(tar({"1.jpg": jpeg(b)}))
    (tmp_path / "z.tgz").write_bytes(tar({"1.jpg": jpeg()}, mode="w:gz"))
    (tmp_path / "notes.txt").write_text("no shard")
    expected = [f"{tmp_path}/s{a}-{b:03d}.tar#1.jpg" for a in range(2) for b in (8, 9, 10)]
    assert [i.item.key for i in read(f"{tmp_path}/s{{0..1}}-{{008..010}}.tar")[0]] == expected
    assert [i.item.key for i in read(tmp_path)[0]] == [*expected, f"{tmp_path}/z.tgz#1.jpg"]
    monkeypatch.chdir(tmp_path)
    source = ShardsSource("s{0..0}-{008..009}.tar")
    assert source.name == f"shards:{tmp_path}/s{{0..0}}-{{008..009}}.tar"
    assert [i.item.key for i in source] == expected[:2]


def test_missing_shards_of_a_pattern_are_rejected_each(tmp_path: Path) -> None:
    (tmp_path / "s-2.tar").write_bytes(tar({"1.jpg": jpeg()}))
    os.mkfifo(tmp_path / "s-3.tar")
    images, rejected = read(f"{tmp_path}/s-{{1..3}}.tar")
    assert len(images) == 1
    assert [entry.key for entry in rejected] == [f"{tmp_path}/s-1.tar", f"{tmp_path}/s-3.tar"]
    assert all("does not exist or is no file" in entry.reason for entry in rejected)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("none.tar", r"none\.tar does not exist or holds no shard"),
        ("none-{0..5}.tar", r"none-0\.tar does not exist, nor does any other shard of the pattern"),
        ("s-{5..0}.tar", r"is written like shard-\{000000\.\.000123\}\.tar"),
        ("s-{a}.tar", r"is written like"),
        ("s-{0..999999999}.tar", r"names 1,000,000,000 shards; at most 100,000"),
        ("x.txt", r"x\.txt is no shard; its name must end in \.tar"),
        (".", r"holds no shard"),
    ],
)
def test_what_names_no_shard_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(SourceError, match=sentence):
        ShardsSource(place)


def test_a_share_reads_its_own_shards_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tmp_path / f"s-{number:02d}.tar").write_bytes(tar({f"{n}.jpg": jpeg() for n in range(3)}))
    opened = list[str]()
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest: opened.append(path.name) or real(path, *rest))
    keys = [[i.item.key for i in read(tmp_path, Scope(Share(n, 3)))[0]] for n in (1, 2, 3)]
    assert sorted(opened) == [f"s-{number:02d}.tar" for number in range(12)]
    assert sorted(itertools.chain(*keys)) == sorted(i.item.key for i in read(tmp_path)[0])
