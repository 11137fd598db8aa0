"""A folder of images: everything below it, once, in one order, under keys that never change."""

import os
from pathlib import Path

import pytest
from PIL import Image

from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.sources import open_source
from indexer.sources.folder import FolderSource


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".png": "PNG", ".webp": "WEBP"}.get(path.suffix.lower(), "JPEG")
    with path.open("wb") as file:
        Image.new("RGB", (20, 40), (200, 30, 30)).save(file, kind)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    for name in ("b/2.JPG", "b/10.jpeg", "a.png", "z/deep/er/1.webp", "c.d/1.jpg"):
        put(root / name)
    for name in (".hidden.jpg", ".thumbnails/1.jpg"):
        put(root / name)
    (root / "notes.txt").write_text("no image")
    return root


def keys(place: Path | str) -> list[str]:
    entries = list(FolderSource(str(place)))
    assert all(isinstance(entry, RawImage) for entry in entries)
    return [entry.item.key for entry in entries]


def test_images_below_come_sorted_and_hidden_ones_not(folder: Path) -> None:
    names = ["a.png", "b/10.jpeg", "b/2.JPG", "c.d/1.jpg", "z/deep/er/1.webp"]
    assert keys(folder) == [str(folder / name) for name in names]
    assert FolderSource(str(folder)).total == len(names)


def test_items_say_where_they_come_from_and_carry_the_files_bytes(folder: Path) -> None:
    for entry in FolderSource(str(folder)):
        assert entry.item.key == entry.item.uri
        assert entry.data == Path(entry.item.uri).read_bytes()
        assert entry.item.source == f"folder:{folder}"
        assert (entry.item.box, entry.item.camera, entry.item.seen_at, entry.item.track) == (None,) * 4


def test_keys_do_not_depend_on_how_the_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = keys(folder)
    monkeypatch.chdir(folder / "b")
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert keys("..") == keys(link) == keys(f"{folder}/b/../") == expected
    assert [e.item.key for e in open_source("folder:..")] == expected
    monkeypatch.setenv("HOME", str(folder.parent))
    assert keys("~/people") == expected


def test_loops_of_links_end_and_each_folder_is_entered_once(folder: Path) -> None:
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "again").symlink_to(folder / "z")
    (folder / "dangling.jpg").symlink_to(folder / "nothing.jpg")
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    entries = list(FolderSource(str(folder)))
    images = [entry.item.key for entry in entries if isinstance(entry, RawImage)]
    assert len(images) == len(set(images)) == 5
    rejected = [entry.uri for entry in entries if isinstance(entry, Rejected)]
    assert rejected == [str(folder / "dangling.jpg"), str(folder / "self.jpg")]


def test_what_cannot_be_read_is_rejected_and_the_rest_still_comes(folder: Path) -> None:
    os.mkfifo(folder / "b" / "1.jpg")
    os.mkfifo(folder / "zz.jpg")
    entries = list(FolderSource(str(folder)))
    assert sum(isinstance(entry, RawImage) for entry in entries) == 5
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    assert [(entry.uri, entry.reason) for entry in rejected] == [
        (str(folder / "b" / "1.jpg"), "is not a regular file."),
        (str(folder / "zz.jpg"), "is not a regular file."),
    ]


def test_a_folder_that_vanishes_or_is_closed_is_rejected_with_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(place: str) -> object:
        if str(place).endswith("c.d"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    entries = list(FolderSource(str(folder)))
    assert [entry for entry in entries if isinstance(entry, Rejected)] == [
        Rejected(
            key=str(folder / "c.d"),
            uri=str(folder / "c.d"),
            source=f"folder:{folder}",
            reason="the folder cannot be listed: Permission denied.",
        )
    ]
    assert len(entries) == 5


def test_a_folder_that_is_closed_itself_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(place: str) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(
        SourceError, match="cannot be indexed: the folder cannot be listed: Permission denied"
    ):
        FolderSource(str(folder))


def test_file_names_of_any_bytes_become_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9 \xc3\xa9.jpg"
    Path(os.fsdecode(name)).write_bytes(put(tmp_path / "a.jpg").read_bytes())
    [_, key] = keys(tmp_path)
    assert key == f"{tmp_path}/caf\\xe9 é.jpg"


def test_an_image_that_comes_later_moves_no_key(folder: Path) -> None:
    before = keys(folder)
    put(folder / "aa.jpg")
    assert set(keys(folder)) == {*before, str(folder / "aa.jpg")}


def test_no_folder_or_no_image_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing does not exist; name a folder"):
        FolderSource(str(tmp_path / "missing"))
    with pytest.raises(SourceError, match=r"holds no image; looked for \.jpg, \.jpeg, \.png, \.webp"):
        FolderSource(str(tmp_path))
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(SourceError, match=r"x\.txt is a file, not a folder"):
        FolderSource(str(tmp_path / "x.txt"))
