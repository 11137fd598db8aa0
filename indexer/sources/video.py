"""The people in a video: found in frames, followed, and each passage given by its best crops.

`video:file.mp4?camera=gate&start=2026-05-01T12:00:00Z&fps=5&crops=5`. The time of a crop is the start plus
its second in the video; without `start` the file's own creation time counts, where it has one. The second
itself is always kept as attribute `second`. The key is the absolute path with second and box
(`...mp4#t=12.400&xywh=...`): the same video gives the same keys. Memory does not grow with the length of the
video.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from indexer.decode import printable
from indexer.detector import Detector, PersonDetector, StillSceneDetector
from indexer.errors import SourceError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.sources.frames import read_frames, video_metadata
from indexer.sources.scope import EVERYTHING, Scope
from indexer.times import iso, parse
from indexer.tracks import Crop, Passage, Tracker, TrackSettings

VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".wmv",
    ".flv",
    ".3gp",
)
OPTIONS = ("camera", "start", "fps", "crops")
EARLIEST_BELIEVED = 1990  # cameras with an unset clock write 1904 or 1970
LATEST_BELIEVED = 9000
MOST_PIXELS = 9_000_000
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class VideoOptions:
    """camera: its name (None: the file's); start: when the video begins; fps: frames searched a second."""

    camera: str | None = None
    start: datetime | None = None
    fps: float = 5.0
    crops: int = 5


class VideoSource:
    """The people of one video file. `total` is None: how many come shows at the end. A share has all or none.

    Raises SourceError at once when the file is no video, an option is wrong, or the detector is missing; what
    cannot be read later (a truncated or damaged file) is yielded as Rejected after everything that could.
    """

    total: int | None = None

    def __init__(self, place: str, detector: Detector | None = None, scope: Scope = EVERYTHING) -> None:
        path, self.options = split_options(place)
        if not path.is_file():
            raise SourceError(f"{path} does not exist or is no file; name a video.")
        self._path = path.resolve()
        self._uri = printable(self._path)
        self.name = f"video:{self._uri}"
        self._share = scope.share
        self._start = self.options.start or _creation_time(video_metadata(self._path, MOST_PIXELS))
        self._detector = detector or PersonDetector()
        self._damage: list[str] = []

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        self._damage = []
        if not self._share.holds(self._uri):
            return
        tracker = Tracker(TrackSettings(crops=self.options.crops))
        detector = StillSceneDetector(self._detector)
        second = 0.0
        for second, frame in self._frames():
            yield from self._items(tracker.update(second, frame, detector.find(frame)))
        yield from self._items(tracker.finish())
        if self._damage:
            reason = f"could be read only in part (up to second {second:.1f}): {'; '.join(self._damage)}."
            yield Rejected(f"{self._uri}#damage", self._uri, self.name, reason)

    def _items(self, passages: list[Passage]) -> Iterator[RawImage]:
        for passage in passages:
            for crop in passage.crops:
                yield RawImage(self._item(passage, crop), crop.pixels)

    def _item(self, passage: Passage, crop: Crop) -> GalleryItem:
        box = crop.box
        sides = (box.left, box.top, box.right - box.left, box.bottom - box.top)
        uri = f"{self._uri}#t={crop.second:.3f}&xywh={','.join(f'{side:.0f}' for side in sides)}"
        stem = printable(self._path.stem)
        # Two files of one name are two sets of tracks.
        mark = hashlib.sha256(self._uri.encode()).hexdigest()[:6]
        return GalleryItem(
            key=uri,
            uri=uri,
            source=self.name,
            box=box,
            camera=self.options.camera or stem,
            seen_at=iso(self._start + timedelta(seconds=crop.second)) if self._start else None,
            track=f"{stem}-{mark}-{passage.number:04d}",
            attributes={
                "second": round(crop.second, 3),
                "track_first_second": round(passage.first, 3),
                "track_last_second": round(passage.last, 3),
                "detector_score": round(crop.score, 3),
            },
        )

    def _frames(self) -> Iterator[tuple[float, Pixels]]:
        """(second, upright RGB frame) `fps` times a second; notes in `_damage` what could not be read."""
        return read_frames(self._path, self.options.fps, MOST_PIXELS, self._damage)


def split_options(place: str) -> tuple[Path, VideoOptions]:
    """`file.mp4?camera=gate&fps=2` -> path and options. Raises SourceError naming what is wrong."""
    if Path(place).expanduser().is_file():  # a file may have a question mark in its name
        return Path(place).expanduser(), VideoOptions()
    name, _, query = place.rpartition("?") if "?" in place else (place, "", "")
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        option, _, value = part.partition("=")
        if option not in OPTIONS or not value:
            raise SourceError(
                f"'{part}' is no option of a video source; known are {', '.join(OPTIONS)}, as name=value."
            )
        given[option] = unquote(value)
    return Path(name).expanduser(), VideoOptions(
        camera=given.get("camera"),
        start=_start(given),
        fps=_number(given, "fps", 5.0, 0.1, 60.0),
        crops=int(_number(given, "crops", 5, 1, 50)),
    )


def _start(given: Mapping[str, str]) -> datetime | None:
    try:
        return parse(given["start"]) if "start" in given else None
    except ValueError as error:
        raise SourceError(f"the video option start: {error}.") from error


def _number(given: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    try:
        value = float(given.get(name, default))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise SourceError(
            f"the video option {name}={given[name]} must be a number from {least:g} to {most:g}."
        )
    return value


def _creation_time(metadata: Mapping[str, str]) -> datetime | None:
    try:
        moment = parse(metadata["creation_time"])
    except (KeyError, ValueError):
        return None
    return moment if EARLIEST_BELIEVED <= moment.year < LATEST_BELIEVED else None
