"""Sources behind URLs: in memory, from a web server, and what they may not make this machine do."""

import time
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tars import jpeg, tar
from served_files import serve

from indexer.decode import MOST_BYTES
from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.shares import Share
from indexer.sources import open_source, remote
from indexer.sources.scope import Scope
from indexer.sources.urls import read_url

SECRET = "s3cr3t"


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def web(tmp_path: Path):
    for name in ("people/a.jpg", "people/deep/b.jpg", "people/.hidden.jpg", "people/ü c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg(len(name)))
    with serve(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))


def read(uri: str, scope: Scope | None = None) -> tuple[list[RawImage], list[Rejected]]:
    source = open_source(uri, scope or Scope())
    entries = list(source)
    again = list(source)
    assert [getattr(e, "item", e) for e in entries] == [getattr(e, "item", e) for e in again]
    assert source.total in (None, len(entries))
    assert SECRET not in repr([source.name, *(getattr(e, "item", e) for e in entries)])
    images = [entry for entry in entries if isinstance(entry, RawImage)]
    return images, [entry for entry in entries if isinstance(entry, Rejected)]


def keys(uri: str, scope: Scope | None = None) -> list[str]:
    images, rejected = read(uri, scope)
    assert rejected == []
    return [image.item.key for image in images]


def test_a_folder_in_memory_is_walked_in_order(memory) -> None:
    names = [
        "people/b/2.jpg",
        "people/a.jpg",
        "people/b/1.PNG",
        "people/.c/x.jpg",
        "people/n.txt",
        "other/x.jpg",
    ]
    for number, name in enumerate(names):
        memory.pipe(f"/{name}", jpeg(number))
    expected = [f"memory://people/{name}" for name in ("a.jpg", "b/1.PNG", "b/2.jpg")]
    assert keys("memory://people") == keys("memory://people/") == keys("folder:memory://people") == expected
    images, _ = read("memory://people")
    assert [image.data for image in images] == [jpeg(1), jpeg(2), jpeg(0)]
    assert {image.item.source for image in images} == {"folder:memory://people"}
    parts = [keys("memory://people", Scope(Share(number, 3))) for number in (1, 2, 3)]
    assert sorted(key for part in parts for key in part) == expected


def test_shards_and_manifests_of_every_kind_in_memory(memory) -> None:
    for number in range(3):
        memory.pipe(f"/data/s-{number}.tar", tar({"1.jpg": jpeg(number)}))
    expected = [f"memory://data/s-{number}.tar#1.jpg" for number in range(3)]
    assert keys("memory://data/s-{0..2}.tar") == keys("shards:memory://data") == expected
    assert keys("memory://data/s-1.tar") == [expected[1]]
    memory.pipe("/data/x/a.jpg", jpeg(7))
    memory.pipe("/data/m.csv", b"path;camera\nx/a.jpg;gate\n/data/x/a.jpg;gate\nmemory://data/x/a.jpg;gate\n")
    memory.pipe("/data/m.jsonl", b'{"path": "x/a.jpg"}\n')
    [one, *others], rejected = read("memory://data/m.csv")
    assert (one.item.key, one.item.camera, one.data) == ("memory://data/x/a.jpg", "gate", jpeg(7))
    assert [other.item.key for other in others] == ["memory://data/x/a.jpg"]
    assert [entry.key for entry in rejected] == ["memory://data/data/x/a.jpg"]
    assert keys("memory://data/m.jsonl") == ["memory://data/x/a.jpg"]
    with memory.open("/data/m.parquet", "wb") as file:
        pq.write_table(pa.table({"image": pa.array([jpeg(1)]), "camera": ["x"]}), file)
    assert keys("manifest:memory://data/m.parquet") == ["memory://data/m.parquet#1"]


def test_a_web_servers_folder_manifest_and_shards(web, tmp_path) -> None:
    base = web.base
    names = ["a.jpg", "deep/b.jpg", "%C3%BC%20c.jpg"]
    assert sorted(keys(f"{base}/people")) == sorted(f"{base}/people/{name}" for name in names)
    (tmp_path / "m.csv").write_text("path,camera\npeople/a.jpg,gate\npeople/ü c.jpg,\nnone.jpg,\n")
    images, [rejected] = read(f"{base}/m.csv?signature={SECRET}")
    assert [image.data for image in images] == [jpeg(12), jpeg(14)]
    assert images[0].item.key == f"{base}/people/a.jpg"
    assert (rejected.key, rejected.reason) == (f"{base}/none.jpg", "was not found.")
    (tmp_path / "s.tar").write_bytes(tar({f"{number}.jpg": jpeg(number) for number in range(40)}))
    assert keys(f"{base}/s.tar") == [f"{base}/s.tar#{number}.jpg" for number in range(40)]
    (tmp_path / "s.tgz").write_bytes(tar({"1.jpg": jpeg()}, mode="w:gz")[:-60])
    _, [broken] = read(f"{base}/s.tgz")
    assert "broke at byte" in broken.reason


def test_names_and_passwords_open_an_address_and_show_nowhere(web, tmp_path) -> None:
    (tmp_path / "m.csv").write_text("path\npeople/a.jpg\n")
    host = web.base.removeprefix("http://")
    assert keys(f"http://me:{SECRET}@{host}/m.csv") == [f"{web.base}/people/a.jpg"]
    asked = [authorization for path, authorization in web.asked if path == "/people/a.jpg"]
    assert asked
    assert None not in asked
    for wrong in ("none.csv", "none.tar", "none/", "elsewhere/people/", "403/x.csv"):
        with pytest.raises(SourceError) as caught:
            open_source(f"http://me:{SECRET}@{host}/{wrong}?sig={SECRET}")
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_local_manifest_opens_no_address_that_it_names_itself(web, tmp_path) -> None:
    far = [
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "memory://x/a.jpg",
        "s3://b/a.jpg",
    ]
    (tmp_path / "m.csv").write_text("\n".join(["path", *far, f"{web.base}/people/a.jpg", "people/a.jpg"]))
    images, rejected = read(str(tmp_path / "m.csv"))
    assert [image.item.key for image in images] == [str(tmp_path / "people/a.jpg")]
    assert [entry.reason.partition(",")[0] for entry in rejected] == [
        "column path: names http://169.254.169.254",
        "column path: file:// addresses are not opened; known are https://",
        "column path: names memory://x",
        "column path: names s3://b",
        f"column path: names {web.base}",
    ]
    assert rejected[-1].reason.endswith(f"if you trust it, add --allow-urls {web.base}.")
    assert web.asked == []
    images, rejected = read(str(tmp_path / "m.csv"), Scope(origins=frozenset([web.base])))
    assert [image.item.key for image in images] == [f"{web.base}/people/a.jpg", f"{tmp_path}/people/a.jpg"]
    assert len(rejected) == 4


def test_a_distant_manifest_opens_neither_this_machine_nor_other_places(web, tmp_path, memory) -> None:
    other = web.base.replace("127.0.0.1", "localhost")
    local = tmp_path / "secret.jpg"
    local.write_bytes(jpeg())
    memory.pipe("/x/a.jpg", jpeg())
    rows = [str(local), f"file://{local}", f"{other}/people/a.jpg", "memory://x/a.jpg", "../../people/a.jpg"]
    (tmp_path / "m.csv").write_text("\n".join(["path", *rows]))
    images, rejected = read(f"{web.base}/m.csv")
    assert [image.item.key for image in images] == [f"{web.base}/people/a.jpg"]
    assert rejected[0].key == f"{web.base}{local}"  # asked of the web server, as a path of its own
    assert rejected[0].reason == "was not found."
    assert len(rejected) == 4


def test_an_allowed_place_cannot_send_us_on_to_another(web, tmp_path) -> None:
    (tmp_path / "m.csv").write_text("path\nelsewhere/people/a.jpg\n")
    _, [rejected] = read(f"{web.base}/m.csv")
    assert rejected.reason.startswith("is elsewhere now, which is not followed")
    assert all(path != "/people/a.jpg" for path, _ in web.asked)


def test_a_row_with_a_query_needs_its_own_key(web, tmp_path) -> None:
    lines = ["path,key", f"{web.base}/people/a.jpg?sig={SECRET},k1", f"{web.base}/people/a.jpg?sig={SECRET},"]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    [image], [rejected] = read(f"{web.base}/m.csv")
    assert (image.item.key, image.item.uri) == ("k1", f"{web.base}/people/a.jpg")
    assert rejected.reason == "an address with a query needs a key of its own, as queries are not kept."


def test_what_fails_for_a_moment_is_tried_again_and_the_rest_rejected(web, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.3)
    fsspec.filesystem("http").clear_instance_cache()
    rows = ["503/people/a.jpg", "500/x.jpg", "404/x.jpg", "403/x.jpg", "cut/x.jpg", "silent/x.jpg"]
    (tmp_path / "m.csv").write_text("\n".join(["path", *rows]))
    entries = list(open_source(f"{web.base}/m.csv"))
    fsspec.filesystem("http").clear_instance_cache()
    assert isinstance(entries[0], RawImage)
    assert [entry.reason for entry in entries[1:4]] == [
        "was answered with HTTP status 500.",
        "was not found.",
        "may not be read with the credentials of this machine.",
    ]
    assert entries[4].reason.startswith("cannot be read (")
    assert entries[5].reason == "did not answer in time."
    counts = {row: sum(path == f"/{row}" for path, _ in web.asked) for row in rows}
    assert counts == dict(zip(rows, [3, 3, 1, 1, 3, 3], strict=True))


def test_an_object_without_end_is_read_no_further_than_a_picture_may_be(web, tmp_path) -> None:
    (tmp_path / "m.csv").write_text("path\nendless/a.jpg\n")
    started = time.monotonic()
    [rejected] = list(open_source(f"{web.base}/m.csv"))
    assert rejected.reason == f"has more than the {MOST_BYTES:,} bytes that are read."
    assert time.monotonic() > started


def test_what_cannot_be_reached_at_all_is_one_sentence(memory) -> None:
    for uri in ("http://127.0.0.1:9/people/", "http://127.0.0.1:9/m.csv", "http://127.0.0.1:9/s-{0..3}.tar"):
        with pytest.raises(SourceError, match=r"http://127.0.0.1:9/.* cannot be read \(ClientConnector"):
            open_source(uri)
    memory.pipe("/x/a.txt", b"")
    with pytest.raises(SourceError, match="memory://x holds no image"):
        open_source("memory://x")
    with pytest.raises(SourceError, match="memory://y was not found"):
        open_source("memory://y")
    with pytest.raises(SourceError, match=r"gs://b/m\.csv needs a package .* run pip install gcsfs"):
        open_source("gs://b/m.csv")
    with pytest.raises(SourceError, match="ftp:// addresses are not opened"):
        open_source("ftp://host/x")
    with pytest.raises(SourceError, match="videos are not read from URLs"):
        open_source("https://host/x.mp4")


def test_parquet_from_a_server_that_gives_no_parts_is_refused(web, tmp_path) -> None:
    noise = np.random.default_rng(0).bytes(9_000_000)
    pq.write_table(pa.table({"path": ["people/a.jpg"], "noise": [noise]}), tmp_path / "m.parquet")
    with pytest.raises(SourceError, match=r"m\.parquet .*copy it to this machine"):
        open_source(f"{web.base}/m.parquet")


def test_listings_name_only_what_lies_directly_inside(monkeypatch) -> None:
    class System:
        def _strip_protocol(self, url: str) -> str:
            return url

        def ls(self, url: str, detail: bool) -> list[dict[str, str]]:
            names = ["a.jpg", "?C=N;O=D", "deep/x.jpg", "sub/", "../up.jpg", "", "."]
            found = [*(f"http://h/p/{name}" for name in names), "http://evil/p/e.jpg", "http://h/pq/x.jpg"]
            return [{"name": name, "type": "directory" if name.endswith("/") else "file"} for name in found]

    monkeypatch.setattr(remote, "_system", lambda url: System())
    entries = remote.list_folder(read_url("http://h/p"))
    assert [(entry.name, entry.is_folder) for entry in entries] == [("a.jpg", False), ("sub", True)]
