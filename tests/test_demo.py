"""cskt demo: makes what is missing and nothing else, however often it is started, wherever it was stopped."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_encoder import tiny_checkpoint

from indexer.errors import FingerprintMismatch, SourceError
from indexer.gallery import Gallery, open_gallery
from indexer.items import GalleryItem, RawImage
from indexer.pipeline import embed_batches
from model.embedder import Embedder, open_embedder
from model.errors import CheckpointError
from service import cli, demo
from service.demo import QUERIES, DemoPlan, describe, show_demo
from service.searcher import Searcher
from service.settings import Settings


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> list[Embedder]:
    folder = tmp_path_factory.mktemp("encoders")
    return [open_embedder(str(tiny_checkpoint(folder / str(seed), seed))) for seed in (1, 2)]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoders: list[Embedder]) -> DemoPlan:
    """Six pictures, shown with a tiny encoder in the place of the demo encoder."""
    monkeypatch.setattr(demo, "open_embedder", lambda name, device, precision: encoders[0])
    return DemoPlan(tmp_path / "demo", people=6, video=None, serve=False)


def keys(plan: DemoPlan) -> list[str]:
    gallery = open_gallery(plan.folder / "gallery")
    try:
        assert gallery.verify() == []
        rows = [gallery.get(id) for id in range(1, len(gallery) + 1)]
        return [row.key for row in rows if row is not None]
    finally:
        gallery.close()


def test_first_start_makes_everything_and_shows_three_searches(
    plan: DemoPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_demo(plan, Settings()) == 0
    out = capsys.readouterr().out
    for query in QUERIES:
        assert f'"{query}"' in out
    assert out.count("  1. ") == out.count("  2. ") == out.count("  3. ") == len(QUERIES)
    assert len(set(keys(plan))) == 6


def test_second_start_draws_and_adds_nothing(plan: DemoPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    show_demo(plan, Settings())
    before = keys(plan)
    monkeypatch.setattr(demo, "write_people", lambda order: pytest.fail("drew people again"))
    show_demo(plan, Settings())
    assert keys(plan) == before


def test_goes_on_after_a_stop_while_drawing(plan: DemoPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(order: demo.PeopleOrder) -> int:
        (order.out / "imgs").mkdir(parents=True)
        (order.out / "imgs" / "half.jpg").write_bytes(b"\xff\xd8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "write_people", stopped)
        with pytest.raises(KeyboardInterrupt):
            show_demo(plan, Settings())
    assert show_demo(plan, Settings()) == 0
    assert len(keys(plan)) == 6
    assert not list(plan.folder.glob("*.unfinished"))


def test_goes_on_after_a_stop_while_indexing(plan: DemoPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(source, embedder, *, skip, batch_size, workers, decoders) -> Iterator[object]:
        yield next(iter(embed_batches(source, embedder, skip=skip, batch_size=2)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("indexer.indexing.embed_batches", stopped)
        with pytest.raises(KeyboardInterrupt):
            show_demo(plan, Settings())
    assert len(keys(plan)) == 2
    assert show_demo(plan, Settings()) == 0
    assert len(set(keys(plan))) == len(keys(plan)) == 6


def test_a_folder_of_another_encoder_is_named_with_the_remedy(
    plan: DemoPlan, monkeypatch: pytest.MonkeyPatch, encoders: list[Embedder]
) -> None:
    show_demo(plan, Settings())
    monkeypatch.setattr(demo, "open_embedder", lambda name, device, precision: encoders[1])
    with pytest.raises(FingerprintMismatch, match="remove it and start again") as caught:
        show_demo(plan, Settings())
    assert str(plan.folder) in str(caught.value)


def test_without_the_encoder_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.embedder.DEMO_FOLDER", tmp_path / "no weights")
    with pytest.raises(CheckpointError):
        show_demo(DemoPlan(tmp_path / "demo", people=6, video=None, serve=False), Settings())
    assert not (tmp_path / "demo").exists()


def test_a_missing_video_is_said_before_anything_is_drawn(plan: DemoPlan) -> None:
    with pytest.raises(SourceError):
        show_demo(DemoPlan(plan.folder, 6, plan.folder / "missing.mp4", serve=False), Settings())
    assert not plan.folder.exists()


class OneCrop:
    """A video of one person that counts how often it is read, and can break off."""

    name, total = "video:/films/gate.mp4", None

    def __init__(self) -> None:
        self.passes, self.breaks = 0, False

    def __iter__(self) -> Iterator[RawImage]:
        self.passes += 1
        item = GalleryItem(key="gate.mp4#t=1", uri="gate.mp4#t=1", source=self.name, camera="gate")
        yield RawImage(item, np.full((64, 32, 3), 90, dtype=np.uint8))
        if self.breaks:
            raise SourceError("the disk with the video has gone.")


def test_a_video_is_read_once_to_its_end(plan: DemoPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    film = plan.folder.parent / "gate.mp4"
    film.write_bytes(b"film")
    source, real = OneCrop(), demo.open_source
    monkeypatch.setattr(demo, "open_source", lambda uri: source if uri.startswith("video:") else real(uri))
    with_video = DemoPlan(plan.folder, 6, film, serve=False)

    source.breaks = True
    with pytest.raises(SourceError):
        show_demo(with_video, Settings())
    source.breaks = False
    for _ in range(3):
        show_demo(with_video, Settings())
    assert source.passes == 2
    assert len(keys(plan)) == 7
    film.write_bytes(b"another film")
    show_demo(with_video, Settings())
    assert source.passes == 3


def test_the_command_serves_the_gallery_it_made(
    plan: DemoPlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[tuple[Gallery, int]] = []

    def note(searcher: Searcher, settings: Settings, holder: object) -> int:
        served.append((searcher._gallery, len(searcher._gallery)))
        searcher.upkeep.close()
        return 0

    monkeypatch.setattr(demo, "serve", note)
    assert cli.main(["demo", "--folder", str(plan.folder), "--people", "4", "--port", "0"]) == 0
    assert [count for _, count in served] == [6]  # three pictures of each person: two people


def test_a_hit_is_described_by_what_is_known() -> None:
    bare = GalleryItem(key="a", uri="/data/gate/0001.jpg", source="folder:/data/gate")
    assert describe(bare) == "gate/0001.jpg"
    dressed = GalleryItem(
        key="b",
        uri="/data/gate/0002.jpg",
        source="folder:/data/gate",
        camera="gate",
        attributes={"upper_type": "coat", "upper_colour": "red", "bag_type": "none", "bag_colour": "none"},
    )
    assert describe(dressed) == "gate/0002.jpg  gate  red coat"
