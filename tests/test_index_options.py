"""`cskt index` and `cskt search` with shares, bursts, URLs and groups, by the command line."""

import json

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tars import jpeg, tar
from tiny_encoder import tiny_checkpoint

from indexer.gallery import open_gallery
from service.cli import main


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("encoder") / "one", 1))


@pytest.fixture
def shards(tmp_path):
    for number in range(6):
        names = {f"{number}-{n}.jpg": jpeg(40 * number) for n in range(3)}
        facts = {f"{number}-{n}.json": json.dumps({"camera": f"c{number}"}).encode() for n in range(3)}
        (tmp_path / f"s-{number}.tar").write_bytes(tar(dict(sorted((names | facts).items()))))
    return f"{tmp_path}/s-{{0..5}}.tar"


def index(gallery, encoder, source, *more):
    return main(["index", source, "--gallery", str(gallery), "--encoder", encoder, "--json", *more])


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_shares_together_are_everything_and_again_adds_nothing(tmp_path, encoder, shards, capsys):
    for number in (1, 2, 3, 1):
        assert index(tmp_path / "g", encoder, shards, "--shard", f"{number}/3") == 0
    *parts, again = printed(capsys)
    assert sum(part["new"] for part in parts) == parts[-1]["gallery_items"] == 18
    assert (again["new"], again["known"]) == (0, parts[0]["new"])
    assert all(part["new"] < 18 for part in parts)


def test_every_distant_or_packed_source_is_indexed_once(tmp_path, encoder, capsys):
    system = fsspec.filesystem("memory")
    try:
        system.pipe("/box/crops/a.jpg", jpeg(1))
        system.pipe("/box/m.csv", b"path,key\ncrops/a.jpg,own\n")
        pq.write_table(pa.table({"image": pa.array([jpeg(3)])}), tmp_path / "m.parquet")
        sources = ["memory://box/crops", "memory://box/m.csv", f"manifest:{tmp_path}/m.parquet"]
        for source in sources * 2:
            assert index(tmp_path / "g", encoder, source) == 0
    finally:
        system.store.clear()
    reports = printed(capsys)
    assert [report["new"] for report in reports] == [1, 1, 1, 0, 0, 0]
    assert [report["rejected"] for report in reports] == [0] * 6


def test_bursts_are_marked_when_asked_and_searched_as_groups(tmp_path, encoder, shards, capsys):
    assert index(tmp_path / "plain", encoder, shards) == 0
    assert index(tmp_path / "marked", encoder, shards, "--bursts", "0.99", "--batch-size", "4") == 0
    assert index(tmp_path / "marked", encoder, shards, "--bursts", "0.99") == 0
    plain, marked = (open_gallery(tmp_path / name) for name in ("plain", "marked"))
    assert not any("burst" in plain.get(id).attributes for id in range(1, 19))
    found = [(marked.get(id).camera, marked.get(id).attributes["burst"]) for id in range(1, 19)]
    assert len(set(found)) == len({burst for _, burst in found}) == 6
    assert all(marked.get(id).track is None for id in range(1, 19))
    plain.close()
    marked.close()
    capsys.readouterr()
    search = ["search", "a man in red", "--gallery", str(tmp_path / "marked"), "--top-k", "4", "--group"]
    assert main([*search, "--json"]) == 0
    [answer] = printed(capsys)
    assert len({hit["camera"] for hit in answer["hits"]}) == 4
    assert all({hit["camera"]} == {other["camera"] for other in hit["others"]} for hit in answer["hits"])
    assert [len(hit["others"]) for hit in answer["hits"]] == [2] * 4
    assert main(search) == 0
    assert capsys.readouterr().out.count("+2 more of this burst") == 4


def test_manifests_open_the_places_that_were_allowed(tmp_path, encoder, capsys):
    system = fsspec.filesystem("memory")
    try:
        system.pipe("/box/a.jpg", jpeg(1))
        (tmp_path / "m.csv").write_text("path\nmemory://box/a.jpg\n")
        assert index(tmp_path / "g", encoder, f"{tmp_path}/m.csv") == 2  # nothing of it could be used
        assert index(tmp_path / "g", encoder, f"{tmp_path}/m.csv", "--allow-urls", "memory://box") == 0
    finally:
        system.store.clear()
    refused, allowed = printed(capsys)
    assert (refused["new"], refused["rejected"]) == (0, 1)
    assert "--allow-urls memory://box" in refused["first_rejected"][0]["reason"]
    assert (allowed["new"], allowed["rejected"]) == (1, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--shard", "3/2"], "the shares of 2 are 1/2 to 2/2"),
        (["--bursts", "7"], "must be a number above 0 and at most 1"),
        (["--allow-urls", "https://host/path"], "an allowed place is only a host or bucket"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, encoder, options, sentence, capsys):
    try:
        code = index(tmp_path / "g", encoder, str(tmp_path), *options)
    except SystemExit as end:
        code = end.code
    assert code not in (0, None)
    assert sentence in capsys.readouterr().err
