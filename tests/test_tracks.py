"""Tracking on painted people whose ways are known: one track is one passage, whatever the detector misses."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from indexer.detector import Detection, area, iou
from indexer.items import Box
from indexer.tracks import Crop, Passage, Tracker, TrackSettings, choose, colours_of, sharpness

WIDTH, HEIGHT, STEP = 640, 360, 0.2
RED, BLUE, GREEN = (200, 30, 30), (30, 30, 200), (30, 160, 30)
Way = Callable[[float], Box | None]


def walk(start: float, speed: float, begin: float = 0.0, end: float = 1e9, height: float = 160) -> Way:
    """A person 0.4 times as wide as high whose left side is at `start` at second `begin`."""

    def at(second: float) -> Box | None:
        left = start + speed * (second - begin)
        if not begin - 1e-9 <= second < end or left < 0 or left + 0.4 * height > WIDTH:
            return None
        return Box(left, 100, left + 0.4 * height, 100 + height)

    return at


def paint(people: Sequence[tuple[Way, tuple[int, int, int]]], second: float) -> np.ndarray:
    frame = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    frame[::7] = 140
    for way, colour in people:
        if (box := way(second)) is not None:
            frame[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = colour
            frame[int(box.top) : int(box.bottom) : 5, int(box.left) : int(box.right)] = 220
    return frame


def follow(
    people: Sequence[tuple[Way, tuple[int, int, int]]],
    seconds: float,
    see: Callable[[float, list[Detection]], list[Detection]] = lambda second, seen: seen,
    settings: TrackSettings | None = None,
) -> list[Passage]:
    """The passages found; `see` changes what the detector reports. Later people are painted over earlier."""
    tracker, passages = Tracker(settings), list[Passage]()
    for number in range(round(seconds / STEP)):
        second = number * STEP
        boxes = [way(second) for way, _ in people]
        seen = [Detection(box, 0.9) for box in boxes if box is not None]
        passages += tracker.update(second, paint(people, second), see(second, seen))
    return sorted(passages + tracker.finish(), key=lambda p: p.number)


def on_way(passage: Passage, way: Way) -> bool:
    """Whether every crop of the passage was taken where that person was."""
    return all((box := way(crop.second)) is not None and iou(box, crop.box) > 0.5 for crop in passage.crops)


def test_one_person_is_one_passage_with_true_times() -> None:
    way = walk(10, 60, begin=1.0, end=7.0)
    [passage] = follow([(way, RED)], 12)
    assert (passage.number, passage.sightings) == (1, 30)
    assert passage.first == pytest.approx(1.0)
    assert passage.last == pytest.approx(6.8)
    assert on_way(passage, way)


def test_crops_show_the_person_and_little_else() -> None:
    way = walk(10, 60, begin=0, end=7)
    [passage] = follow([(way, RED)], 8)
    assert len(passage.crops) == TrackSettings().crops
    for crop in passage.crops:
        box = way(crop.second)
        assert crop.box == box
        height, width = crop.pixels.shape[:2]
        assert 160 <= height <= 172
        assert 64 <= width <= 74
        red = (crop.pixels[:, :, 0] > 180) & (crop.pixels[:, :, 1] < 60)
        white = (crop.pixels == 220).all(axis=2)
        assert (red | white).mean() > 0.85


def test_crops_are_spread_over_the_passage_and_in_order() -> None:
    [passage] = follow([(walk(10, 30), RED)], 16)
    seconds = [crop.second for crop in passage.crops]
    assert seconds == sorted(seconds)
    assert max(seconds) - min(seconds) > 8


def test_two_who_cross_stay_two() -> None:
    right, left = walk(20, 70), walk(540, -70)
    passages = follow([(right, RED), (left, BLUE)], 7)
    assert len(passages) == 2
    assert on_way(passages[0], right)
    assert on_way(passages[1], left)


def test_the_one_behind_may_vanish_while_they_cross() -> None:
    right, left = walk(20, 70), walk(540, -70)

    def see(second: float, seen: list[Detection]) -> list[Detection]:
        hidden = len(seen) == 2 and iou(seen[0].box, seen[1].box) > 0.2
        return seen[1:] if hidden else seen

    passages = follow([(right, RED), (left, BLUE)], 7, see)
    assert len(passages) == 2
    assert on_way(passages[0], right)
    assert on_way(passages[1], left)


def test_gaps_shorter_than_the_patience_do_not_break_a_passage() -> None:
    way = walk(10, 20)
    [passage] = follow([(way, RED)], 20, lambda second, seen: [] if 5 < second < 7.5 else seen)
    assert passage.last == pytest.approx(19.8)
    assert on_way(passage, way)


def test_longer_gaps_and_other_colours_start_a_new_passage() -> None:
    standing = walk(200, 0, end=6), walk(200, 0, begin=14, end=20)
    assert len(follow([(standing[0], RED), (standing[1], RED)], 24)) == 2
    soon = walk(200, 0, end=6), walk(200, 0, begin=7.6, end=14)  # within the patience, but someone else
    passages = follow([(soon[0], RED), (soon[1], BLUE)], 18)
    assert [round(p.first, 1) for p in passages] == [0.0, 7.6]


def test_a_few_missed_frames_and_jitter_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    way = walk(10, 40)

    def see(second: float, seen: list[Detection]) -> list[Detection]:
        shaken = []
        for detection in seen:
            box, (dx, dy, dw, dh) = detection.box, rng.normal(0, 5, 4)
            moved = Box(box.left + dx, box.top + dy, box.right + dx + dw, box.bottom + dy + dh)
            shaken.append(Detection(moved, float(rng.uniform(0.3, 1.0))))
        return [d for d in shaken if rng.random() > 0.3]

    [passage] = follow([(way, RED)], 14, see)
    assert passage.first < 2
    assert passage.last > 12
    assert on_way(passage, way)


def test_a_second_box_over_the_same_person_is_nobody_new() -> None:
    def see(second: float, seen: list[Detection]) -> list[Detection]:
        box = seen[0].box
        return [*seen, Detection(Box(box.left + 3, box.top, box.right + 3, box.bottom - 20), 0.8)]

    assert len(follow([(walk(10, 40), RED)], 10, see)) == 1


def test_weak_and_short_sightings_make_no_passage() -> None:
    weak = follow([(walk(10, 40), RED)], 10, lambda s, seen: [Detection(d.box, 0.3) for d in seen])
    short = follow([(walk(10, 40, end=0.35), RED)], 10)
    small = follow([(walk(10, 40, height=30), RED)], 10)
    assert weak == short == small == []


def test_weak_detections_carry_a_passage_on() -> None:
    def see(second: float, seen: list[Detection]) -> list[Detection]:
        return [Detection(d.box, 0.9 if second < 1 else 0.2) for d in seen]

    [passage] = follow([(walk(10, 40), RED)], 10, see)
    assert passage.last == pytest.approx(9.8)


def test_passages_come_out_when_they_end_not_at_the_end() -> None:
    tracker = Tracker()
    people = [(walk(10, 40, end=4), RED), (walk(500, 0), GREEN)]
    came: dict[int, float] = {}
    for number in range(60):
        second = number * STEP
        seen = [Detection(box, 0.9) for way, _ in people if (box := way(second))]
        for passage in tracker.update(second, paint(people, second), seen):
            came[passage.number] = second
    assert list(came) == [1]
    assert came[1] == pytest.approx(7.0, abs=0.21)  # last seen at 3.8, patience 3
    assert [p.number for p in tracker.finish()] == [2]
    assert tracker.finish() == []


def test_a_track_that_lives_for_an_hour_holds_few_crops() -> None:
    tracker, box = Tracker(), Box(100, 100, 164, 260)
    frame = paint([(lambda second: box, RED)], 0)
    for second in range(0, 3600, 3):
        tracker.update(float(second), frame, [Detection(box, 0.9)])
        assert all(len(track.best) <= 2 * tracker.settings.crops for track in tracker._live)
    [passage] = tracker.finish()
    seconds = [crop.second for crop in passage.crops]
    assert len(seconds) == TrackSettings().crops
    assert max(seconds) - min(seconds) > 1800


def test_the_same_frames_give_the_same_passages() -> None:
    def once() -> list[tuple[object, ...]]:
        passages = follow([(walk(20, 70), RED), (walk(540, -70), BLUE)], 7)
        return [
            (p.number, p.first, p.last, [(c.second, c.box, c.quality) for c in p.crops]) for p in passages
        ]

    assert once() == once()


def test_whole_sharp_unhidden_people_are_preferred() -> None:
    """Half the time the person is cut by the frame's edge; the best crops are from the other half."""
    tracker = Tracker(TrackSettings(crops=2))
    for number in range(30):
        left = -30 if number < 15 else 4 * (number - 15) + 20
        box = Box(max(0, left), 100, left + 64, 260)
        frame = paint([(lambda second, box=box: box, RED)], 0)
        tracker.update(number * STEP, frame, [Detection(box, 0.9)])
    [passage] = tracker.finish()
    assert all(crop.second >= 15 * STEP for crop in passage.crops)


def test_choosing_takes_the_best_and_spreads_them() -> None:
    def crop(second: float, quality: float) -> Crop:
        return Crop(second, Box(0, 0, 1, 2), 0.9, quality, np.zeros((2, 1, 3), np.uint8))

    crops = [crop(0.0, 0.5), crop(0.1, 0.9), crop(0.2, 0.88), crop(5.0, 0.6), crop(10.0, 0.6)]
    assert [c.second for c in choose(crops, 3)] == [0.1, 5.0, 10.0]
    assert [c.second for c in choose(crops, 1)] == [0.1]
    assert choose([], 3) == []
    assert choose(crops[:1], 3) == crops[:1]


def test_colours_are_those_under_the_box() -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[100:180, 100:164] = (255, 0, 0)
    frame[180:260, 100:164] = (0, 0, 255)
    histogram = colours_of(frame, Box(100, 100, 164, 260))
    red, blue = 3 * 16, 3  # quarter of each channel: red*16 + green*4 + blue
    assert histogram[red] == pytest.approx(0.5)
    assert histogram[64 + blue] == pytest.approx(0.5)
    assert colours_of(frame, Box(-20, -20, 5, 5)).sum() == pytest.approx(1)
    assert colours_of(frame, Box(630, 350, 660, 380)).sum() == pytest.approx(1)


def test_sharpness_falls_when_a_picture_is_blurred() -> None:
    sharp = np.random.default_rng(0).integers(0, 255, (128, 64, 3), dtype=np.uint8)
    blurred = sharp.reshape(32, 4, 16, 4, 3).mean(axis=(1, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    assert sharpness(sharp) > 2 * sharpness(blurred) > 0
    assert area(Box(0, 0, 3, 4)) == 12
