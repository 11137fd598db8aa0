"""A real video, six people one after another seen from behind: index it, then ask for each of them in words.

The times and sentences were written down by looking at the video. A passage is recognised by when it
happened, never by the number of its track.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.detector import find_graph
from indexer.errors import SourceError
from indexer.gallery import Gallery, open_gallery
from indexer.items import GalleryItem, RawImage
from indexer.pipeline import embed_batches
from indexer.sources import open_source
from model.embedder import DEMO_FOLDER, Embedder, open_embedder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
VIDEO = ROOT.parent / "shared" / "data" / "one-by-one-person-detection.mp4"
FRAMES_A_SECOND = 2  # a third of the default's work, and the same six tracks
CAMERA = "counter"
NEAREST_TRACKS = 3
LEAST_FOUND = 4


@dataclass(frozen=True)
class Passer:
    """Who can be seen from `begin` to `end` (seconds), and an honest sentence about them."""

    begin: float
    end: float
    sentence: str


PASSERS = (
    Passer(6, 20, "a woman with long blonde hair wearing a long grey cardigan, dark jeans and black boots"),
    Passer(22, 45, "a man with short black hair wearing a black jacket, dark trousers and black shoes"),
    Passer(
        50, 70, "a woman with very long blonde hair wearing a black sweater, black trousers and grey shoes"
    ),
    Passer(74, 87, "a man with short dark hair and glasses wearing a black t-shirt and black trousers"),
    Passer(94, 120, "a woman with long black hair wearing a grey sweater, black trousers and black boots"),
    Passer(123, 136, "a man with short brown hair wearing a light grey short-sleeved shirt and blue jeans"),
)


@pytest.fixture(scope="module")
def crops() -> list[RawImage]:
    """Everything the video source gives, read once for all tests here."""
    source = open_source(address())
    entries = list(source)
    crops = [entry for entry in entries if isinstance(entry, RawImage)]
    assert crops == entries, "nothing of an undamaged video is rejected"
    return crops


def address() -> str:
    """The video as `cskt index` would be given it; skips where it or its detector is missing."""
    if not VIDEO.is_file():
        pytest.skip("the six people video is not beside this repository (../shared/data)")
    pytest.importorskip("av")
    pytest.importorskip("openvino")
    try:
        find_graph()
    except SourceError as error:
        pytest.skip(str(error))
    return f"video:{VIDEO}?camera={CAMERA}&start=2026-05-01T12:00:00Z&fps={FRAMES_A_SECOND}"


def passage(item: GalleryItem) -> tuple[float, float]:
    """First and last second of the track an item belongs to."""
    return float(item.attributes["track_first_second"]), float(item.attributes["track_last_second"])


def shared_seconds(item: GalleryItem, passer: Passer) -> float:
    """For how long the item's track and the person's passage coincide."""
    first, last = passage(item)
    return max(0.0, min(last, passer.end) - max(first, passer.begin))


def who(item: GalleryItem) -> Passer:
    """The person whose passage an item's track covers most of."""
    return max(PASSERS, key=lambda passer: shared_seconds(item, passer))


def test_each_person_becomes_one_track_of_whole_figures(crops: Sequence[RawImage]) -> None:
    tracks = {crop.item.track: crop.item for crop in crops}
    assert [who(item) for item in tracks.values()] == list(PASSERS)
    for item in tracks.values():
        first, last = passage(item)
        assert shared_seconds(item, who(item)) > 0.9 * (last - first)  # nobody else is in this track
        assert shared_seconds(item, who(item)) > 0.6 * (who(item).end - who(item).begin)
    for crop in crops:
        height, width = crop.data.shape[:2]
        assert height > 300  # of 432: whole people
        assert 1.4 < height / width < 3.2
        assert crop.item.camera == CAMERA
        assert passage(crop.item)[0] <= crop.item.attributes["second"] <= passage(crop.item)[1]
        assert crop.item.seen_at.startswith("2026-05-01T12:0")


def test_a_second_reading_gives_the_same_crops(crops: Sequence[RawImage]) -> None:
    first_track = list(itertools.takewhile(lambda crop: who(crop.item) == PASSERS[0], crops))
    again = list(itertools.islice(open_source(address()), len(first_track)))
    assert [crop.item for crop in again] == [crop.item for crop in first_track]
    assert all((a.data == b.data).all() for a, b in zip(again, first_track, strict=True))


def nearest_tracks(gallery: Gallery, embedder: Embedder, sentence: str) -> list[GalleryItem]:
    """One item of every track, the track with the best crop first."""
    [hits] = gallery.search(embedder.embed_texts([sentence]), len(gallery))
    best: dict[str | None, GalleryItem] = {}
    for hit in hits:
        best.setdefault(hit.item.track, hit.item)
    return list(best.values())


def test_people_are_found_by_what_they_wear(crops: Sequence[RawImage], tmp_path: Path) -> None:
    if not DEMO_FOLDER.is_dir():
        pytest.skip("the demo encoder (model/weights/demo) is not in this checkout")
    embedder = open_embedder("demo", "cpu")
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    gallery = open_gallery(tmp_path / "gallery", create_for=made_by, write=True)
    try:
        for batch in embed_batches(crops, embedder, skip=gallery.known):
            gallery.add(batch.items, batch.rejected)
        gallery.build_generation()
        assert len(gallery) == len(crops)
        places = []
        for passer in PASSERS:
            ranking = nearest_tracks(gallery, embedder, passer.sentence)
            places.append([who(item) for item in ranking].index(passer) + 1)
    finally:
        gallery.close()
    lines = [f"place {n} of {len(PASSERS)}: {p.sentence}" for n, p in zip(places, PASSERS, strict=True)]
    print("", *lines, sep="\n")
    found = sum(place <= NEAREST_TRACKS for place in places)
    assert found >= LEAST_FOUND, "\n".join(lines)
