"""The contract every source keeps, over all registered schemes, and how a source is named."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from painted_video import ColourDetector, write_video
from PIL import Image

from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.prepared import prepare
from indexer.sources import SCHEMES, open_source
from indexer.sources.folder import FolderSource
from indexer.sources.manifest import ManifestSource
from indexer.sources.video import VideoSource
from model.resizing import Resize


def make_folder(root: Path) -> Path:
    folder = root / "people"
    folder.mkdir()
    for name in ("b", "a", "c"):
        Image.new("RGB", (30, 60), (200, 30, 30)).save(folder / f"{name}.jpg")
    (folder / "broken.jpg").symlink_to(folder / "nothing")
    return folder


def make_manifest(root: Path) -> Path:
    make_folder(root)
    (root / "people.csv").write_text('path,box\npeople/b.jpg,\npeople/a.jpg,"0,0,20,40"\nnone.jpg,\n')
    return root / "people.csv"


def make_video(root: Path) -> Path:
    whole = write_video(root / "whole.mkv", seconds=6)
    (root / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 5 // 6])
    return root / "cut.mkv"


def make_shards(root: Path) -> Path:
    make_folder(root)
    with tarfile.open(root / "people.tar", "w") as tar:
        for name in ("a", "b", "broken", "c"):
            tar.add(root / "people" / f"{name}.jpg", f"{name}.jpg")
    return root / "people.tar"


EXAMPLES: dict[str, Callable[[Path], Path]] = {
    "folder": make_folder,
    "manifest": make_manifest,
    "video": make_video,
    "shards": make_shards,
}
"""A place for each scheme that holds at least two good entries and one that must be rejected."""


@pytest.fixture(autouse=True)
def _detector_without_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.sources.video.PersonDetector", ColourDetector)


def test_every_scheme_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_source_keeps_the_contract(scheme: str, tmp_path: Path) -> None:
    source = open_source(f"{scheme}:{EXAMPLES[scheme](tmp_path)}")
    entries = list(source)
    images = [entry for entry in entries if isinstance(entry, RawImage)]
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    assert len(images) >= 2
    assert len(rejected) == 1
    assert source.total in (None, len(entries))
    assert source.name.startswith(f"{scheme}:{tmp_path}")
    assert {entry.item.source for entry in images} | {entry.source for entry in rejected} == {source.name}
    keys = [entry.item.key if isinstance(entry, RawImage) else entry.key for entry in entries]
    assert len(set(keys)) == len(keys)
    for entry in rejected:
        assert entry.reason.endswith(".")
        assert "\n" not in entry.reason
    for entry in images:
        outcome = prepare(entry, Resize((16, 8)))
        assert not isinstance(outcome, Rejected)
        assert outcome.pixels.dtype == np.uint8


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_source_repeats_itself(scheme: str, tmp_path: Path) -> None:
    place = EXAMPLES[scheme](tmp_path)
    source = open_source(f"{scheme}:{place}")
    again = open_source(source.name)  # its own name opens it
    facts = [[getattr(e, "item", e) for e in entries] for entries in (source, source, again)]
    assert facts[0] == facts[1] == facts[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_place_that_vanishes_while_open_is_an_error_or_rejected(scheme: str, tmp_path: Path) -> None:
    place = EXAMPLES[scheme](tmp_path)
    source = open_source(f"{scheme}:{place}")
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    try:
        outcome = list(source)
    except SourceError:
        outcome = []
    assert all(isinstance(entry, Rejected) for entry in outcome)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_missing_place_is_named_at_once(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="missing") as caught:
        open_source(f"{scheme}:{tmp_path}/missing")
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match=f"'{scheme}:' names no place; write for example {scheme}:path"):
        open_source(f"{scheme}:")


@pytest.mark.parametrize("nothing", ["", "  "])
def test_no_place_at_all_is_not_this_folder(nothing: str) -> None:
    """As where a variable of a script is empty."""
    with pytest.raises(SourceError, match="no source was named: give a folder"):
        open_source(nothing)


def test_bare_paths_are_recognised_by_what_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, video = make_manifest(tmp_path), make_video(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_source("people"), FolderSource)
    assert isinstance(open_source(str(tmp_path / "people")), FolderSource)
    assert isinstance(open_source("people.csv"), ManifestSource)
    assert isinstance(open_source(str(video)), VideoSource)
    assert isinstance(open_source("cut.mkv?camera=gate"), VideoSource)
    shutil.copytree("people", "2026-05-01T12:00:00", symlinks=True)
    assert isinstance(open_source("2026-05-01T12:00:00"), FolderSource)
    shutil.copytree("people", "odd.mp4", symlinks=True)
    assert isinstance(open_source("odd.mp4"), FolderSource)
    assert open_source("people.csv").name == f"manifest:{manifest}"


def test_unknown_schemes_and_missing_paths_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"unknown scheme s3:; known are folder:, manifest:, video:"):
        open_source("s3:bucket/people")
    with pytest.raises(SourceError, match=r"does not exist; name a folder of images, a manifest or a video"):
        open_source(str(tmp_path / "nothing"))
    for name in ("nothing.csv", "nothing.mp4"):
        with pytest.raises(SourceError, match=f"{name} does not exist"):
            open_source(str(tmp_path / name))
