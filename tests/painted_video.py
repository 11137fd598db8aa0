"""A small video of painted figures whose places are known at any second, and a detector that sees colours."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.detector import Detection
from indexer.items import Box

WIDTH, HEIGHT, RATE = 320, 192, 10
RED, BLUE = (210, 20, 20), (20, 20, 210)


@dataclass(frozen=True)
class Figure:
    """A block 40 x 120 pixels of one colour that walks right by `speed` pixels a second."""

    colour: tuple[int, int, int]
    begin: float
    end: float
    left: float
    speed: float

    def box(self, second: float) -> Box | None:
        """Where it is, or None while it is not there."""
        if not self.begin - 1e-6 <= second < self.end - 1e-6:
            return None
        left = round(self.left + self.speed * (second - self.begin))
        return Box(left, 40, left + 40, 160)


FIGURES = (Figure(RED, 0.5, 4.5, 10, 50), Figure(BLUE, 6.0, 9.0, 250, -40))
SECONDS = 14


def frame_at(second: float, figures: tuple[Figure, ...] = FIGURES) -> np.ndarray:
    """The picture (height, width, 3) at one second: figures before a grey gradient."""
    frame = np.repeat(np.linspace(90, 150, WIDTH)[None, :, None], HEIGHT, 0).repeat(3, 2).astype(np.uint8)
    for figure in figures:
        if (box := figure.box(second)) is not None:
            frame[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = figure.colour
            frame[int(box.top) : int(box.bottom) : 8, int(box.left) : int(box.right)] //= 2
    return frame


def write_video(
    path: Path,
    seconds: float = SECONDS,
    options: dict[str, str] | None = None,
    picture: Callable[[float], np.ndarray] = frame_at,
) -> Path:
    """Write the figures as MPEG-4, in the container the path's ending names; skips without PyAV."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=RATE, options={"g": "5"})
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt, stream.bit_rate, stream.time_base = "yuv420p", 4_000_000, Fraction(1, RATE)
        for number in range(round(seconds * RATE)):
            frame = av.VideoFrame.from_ndarray(picture(number / RATE), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_frames(
    path: Path,
    pictures: Iterable[tuple[int, np.ndarray]],
    codec: str = "mpeg4",
    spoil: Callable[[int, Any], Any] = lambda number, packet: packet,
    options: dict[str, str] | None = None,
) -> Path:
    """Write (millisecond, picture) with exactly these stamps; `spoil` may exchange each packet before it is
    written. Skips without PyAV.
    """
    av = pytest.importorskip("av")
    numbers = itertools.count()
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=1000, options={"g": "1", "bf": "0"})
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate, stream.time_base = 4_000_000, Fraction(1, 1000)
        for number, (millisecond, picture) in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = millisecond, Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(spoil(next(numbers), packet))
        for packet in stream.encode():
            container.mux(spoil(next(numbers), packet))
    return path


class ColourDetector:
    """Finds red and blue blocks by their colour, however the codec blurred them."""

    def __init__(self) -> None:
        self.frames = 0

    def find(self, frame: np.ndarray) -> list[Detection]:
        self.frames += 1
        values = frame.astype(int)
        found = []
        for channel in (0, 2):
            others = values.sum(axis=2) - values[:, :, channel]
            mask = values[:, :, channel] - others / 2 > 50
            if mask.sum() > 300:
                rows, columns = np.flatnonzero(mask.sum(1) > 8), np.flatnonzero(mask.sum(0) > 8)
                box = Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                found.append(Detection(Box(*map(float, (box.left, box.top, box.right, box.bottom))), 0.9))
        return found
