"""From boxes per frame to passages: one track is one passage of one person, and keeps only its best crops.

A strong detection starts a track; weak ones only carry on with a track that expects them there. A person who
disappears for a moment is taken up again where the motion leads or where he stood, if the colours agree.
Memory is bounded however long a track lives: time is cut into slots, each keeps its best crop, and when there
are too many slots they are merged in pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.detector import Detection, area, common, iou
from indexer.items import Box

Pixels = npt.NDArray[np.uint8]
Histogram = npt.NDArray[np.float32]
TALLEST_CROP = 512


@dataclass(frozen=True)
class TrackSettings:
    """Scores in [0, 1], times in seconds, sizes in pixels of the frame.

    For `certain` seconds after a sighting a person in that place is taken to be the same; until `patience`
    ends it must have the same colours too, and then the passage is over.
    """

    start_score: float = 0.5
    certain: float = 1.0
    patience: float = 3.0
    least_sightings: int = 3
    least_height: float = 32.0
    crops: int = 5
    first_slot: float = 0.4
    least_colour_match: float = 0.6


@dataclass(frozen=True)
class Crop:
    """One picture of a tracked person: pixels (height, width, 3) RGB, cut out a little wider than `box`."""

    second: float
    box: Box
    score: float
    quality: float
    pixels: Pixels


@dataclass(frozen=True)
class Passage:
    """A finished track: its number in order of first sight, when it began and ended, its best crops."""

    number: int
    first: float
    last: float
    sightings: int
    crops: tuple[Crop, ...]


@dataclass
class _Track:
    number: int
    first: float
    last: float
    box: Box
    colours: Histogram
    slot: float
    velocity: tuple[float, float] = (0.0, 0.0)
    sightings: int = 1
    best: dict[int, Crop] = field(default_factory=dict)

    def expected(self, second: float) -> Box:
        """Where the person should be: motion carries on for at most half a second."""
        ahead = min(second - self.last, 0.5)
        dx, dy = self.velocity[0] * ahead, self.velocity[1] * ahead
        return Box(self.box.left + dx, self.box.top + dy, self.box.right + dx, self.box.bottom + dy)

    def follow(self, second: float, box: Box, colours: Histogram) -> None:
        """Take up a sighting; velocity and colours change smoothly."""
        gap = max(second - self.last, 1e-3)
        old, new = centre(self.box), centre(box)
        step = ((new[0] - old[0]) / gap, (new[1] - old[1]) / gap)
        self.velocity = (0.5 * (self.velocity[0] + step[0]), 0.5 * (self.velocity[1] + step[1]))
        self.colours = 0.8 * self.colours + 0.2 * colours
        self.box, self.last = box, second
        self.sightings += 1

    def keep(self, crop: Crop, most: int) -> None:
        """Hold the crop if it is the best of its slot; double the slots when there are more than `most`."""
        slot = int((crop.second - self.first) / self.slot)
        if slot not in self.best or crop.quality > self.best[slot].quality:
            self.best[slot] = crop
        while len(self.best) > most:
            self.slot *= 2
            held, self.best = self.best, {}
            for slot, other in sorted(held.items()):
                if slot // 2 not in self.best or other.quality > self.best[slot // 2].quality:
                    self.best[slot // 2] = other


class Tracker:
    """Feed it frames in order of time; finished passages come out, those that last too short a time never."""

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self.settings = settings or TrackSettings()
        self._live: list[_Track] = []
        self._started = 0

    def update(self, second: float, frame: Pixels, detections: Sequence[Detection]) -> list[Passage]:
        """Take one frame (height, width, 3) and its detections; returns the passages that ended before it."""
        ended = [t for t in self._live if second - t.last > self.settings.patience]
        self._live = [t for t in self._live if second - t.last <= self.settings.patience]
        seen = [d for d in detections if d.box.bottom - d.box.top >= self.settings.least_height]
        colours = [colours_of(frame, d.box) for d in seen]
        pairs = self._pairs(second, seen, colours)
        for index, track in pairs.items():
            track.follow(second, seen[index].box, colours[index])
        for index, detection in enumerate(seen):
            if (
                index not in pairs
                and detection.score >= self.settings.start_score
                and self._is_new(second, detection.box)
            ):
                pairs[index] = self._start(second, detection.box, colours[index])
        for index, track in pairs.items():
            others = [d.box for n, d in enumerate(seen) if n != index]
            track.keep(_crop(second, frame, seen[index], others), 2 * self.settings.crops)
        return list(self._finished(ended))

    def finish(self) -> list[Passage]:
        """The passages still open at the end."""
        ended, self._live = self._live, []
        return list(self._finished(ended))

    def _start(self, second: float, box: Box, colours: Histogram) -> _Track:
        self._started += 1
        track = _Track(self._started, second, second, box, colours, self.settings.first_slot)
        self._live.append(track)
        return track

    def _is_new(self, second: float, box: Box) -> bool:
        """A second box over a person who was seen just now is no new person."""
        return all(iou(box, t.box) < 0.6 for t in self._live if second - t.last <= self.settings.certain)

    def _pairs(
        self, second: float, seen: Sequence[Detection], colours: Sequence[Histogram]
    ) -> dict[int, _Track]:
        """Which detection carries on with which track: the best fitting pair first, each used once."""
        fits = [
            (self._fit(track, second, detection, colours[index]), -index, -track.number, index, track)
            for index, detection in enumerate(seen)
            for track in self._live
        ]
        pairs: dict[int, _Track] = {}
        taken: set[int] = set()
        for fit, _, _, index, track in sorted(fits, key=lambda f: f[:3], reverse=True):
            if fit > 0 and index not in pairs and track.number not in taken:
                pairs[index] = track
                taken.add(track.number)
        return pairs

    def _fit(self, track: _Track, second: float, detection: Detection, colours: Histogram) -> float:
        """How well a detection carries on with a track; 0 = not at all."""
        box, strong = detection.box, detection.score >= self.settings.start_score
        overlap = max(iou(track.expected(second), box), iou(track.box, box))
        ratio = (box.bottom - box.top) / (track.box.bottom - track.box.top)
        match = float(np.minimum(track.colours, colours).sum())
        if not 0.4 < ratio < 2.5 or (not strong and overlap < 0.3):
            return 0.0
        if second - track.last > self.settings.certain and match < self.settings.least_colour_match:
            return 0.0
        if overlap >= 0.15:
            return 1.0 + overlap + 0.5 * match
        (x0, y0), (x1, y1) = centre(track.expected(second)), centre(box)
        reach = 0.6 * (track.box.bottom - track.box.top)
        near = 1.0 - float(np.hypot(x1 - x0, y1 - y0)) / reach
        return near * match if near > 0 and match >= self.settings.least_colour_match else 0.0

    def _finished(self, tracks: Sequence[_Track]) -> Iterator[Passage]:
        for track in sorted(tracks, key=lambda t: (t.last, t.number)):
            if track.sightings >= self.settings.least_sightings:
                crops = choose(list(track.best.values()), self.settings.crops)
                yield Passage(track.number, track.first, track.last, track.sightings, tuple(crops))


def choose(crops: Sequence[Crop], most: int) -> list[Crop]:
    """The best crops, in order of time; what was seen right beside a chosen one counts half."""
    left, chosen = list(crops), list[Crop]()
    apart = (max((c.second for c in crops), default=0.0) - min((c.second for c in crops), default=0.0)) / most

    def worth(crop: Crop) -> tuple[float, float]:
        gap = min((abs(crop.second - c.second) for c in chosen), default=apart)
        return crop.quality * (0.5 + 0.5 * min(1.0, gap / apart if apart else 1.0)), -crop.second

    while left and len(chosen) < most:
        chosen.append(max(left, key=worth))
        left.remove(chosen[-1])
    return sorted(chosen, key=lambda c: c.second)


def centre(box: Box) -> tuple[float, float]:
    """Middle of a box in pixels."""
    return (box.left + box.right) / 2, (box.top + box.bottom) / 2


def colours_of(frame: Pixels, box: Box) -> Histogram:
    """Colour histogram (2 * 64,) of the upper and lower half of the middle of a box; sums to 1."""
    width = box.right - box.left
    left, right = int(box.left + 0.25 * width), max(int(box.right - 0.25 * width), int(box.left) + 1)
    rows = np.linspace(box.top, box.bottom - 1, 33).clip(0, frame.shape[0] - 1).astype(int)
    columns = np.linspace(left, right - 1, 16).clip(0, frame.shape[1] - 1).astype(int)
    patch = frame[rows[1:, None], columns].astype(np.int32) // 64  # (32, 16, 3), each 0 to 3
    codes = patch @ np.array([16, 4, 1]) + 64 * (np.arange(32)[:, None] >= 16)
    counts = np.bincount(codes.reshape(-1), minlength=128).astype(np.float32)
    return np.asarray(counts / counts.sum(), dtype=np.float32)


def _crop(second: float, frame: Pixels, detection: Detection, others: Sequence[Box]) -> Crop:
    """Cut a person out with a narrow margin and judge the picture."""
    rows, columns = frame.shape[:2]
    box = detection.box
    margin_x, margin_y = 0.04 * (box.right - box.left), 0.02 * (box.bottom - box.top)
    left, top = max(0, int(box.left - margin_x)), max(0, int(box.top - margin_y))
    right, bottom = min(columns, int(box.right + margin_x) + 1), min(rows, int(box.bottom + margin_y) + 1)
    picture = Image.fromarray(frame[top:bottom, left:right])
    if picture.height > TALLEST_CROP:
        width = max(1, round(picture.width * TALLEST_CROP / picture.height))
        picture = picture.resize((width, TALLEST_CROP), Image.Resampling.BICUBIC)
    else:
        picture = picture.copy()
    pixels = np.asarray(picture)
    quality = _quality(detection, (columns, rows), others, sharpness(pixels))
    return Crop(second, box, detection.score, quality, pixels)


def _quality(detection: Detection, frame_size: tuple[int, int], others: Sequence[Box], sharp: float) -> float:
    """Score times size, sharpness, completeness and freedom from others; only its order matters."""
    box, (columns, rows) = detection.box, frame_size
    height = box.bottom - box.top
    quality = detection.score * min(1.0, height / 256) ** 0.5 * sharp / (sharp + 4.0)
    touching_side = box.left < 0.005 * columns or box.right > 0.995 * columns
    touching_end = box.top <= 0 or box.bottom > 0.99 * rows
    quality *= (0.4 if touching_side else 1.0) * (0.6 if touching_end else 1.0)
    if height < 1.6 * (box.right - box.left):  # only a part of the body, or bent
        quality *= 0.6
    covered = max((common(box, other) for other in others), default=0.0) / area(box)
    return float(quality * (1.0 - min(covered, 0.8)))


def sharpness(pixels: Pixels) -> float:
    """Mean absolute step between neighbouring rows and columns of the grey picture at 128 pixels height."""
    grey = Image.fromarray(pixels).convert("L").resize((64, 128), Image.Resampling.BILINEAR)
    values = np.asarray(grey, dtype=np.float32)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean())
