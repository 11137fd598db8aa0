"""The frames of a video, decoded in a confined process: a file that kills it costs only its own rest."""

import importlib.util
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.channel import ChannelClosed, Facts, NonsenseReceived
from indexer.confined import ConfinedProcess, Limits
from indexer.detector import REMEDY
from indexer.errors import SourceError
from indexer.texts import storable

MODULE = "indexer.sources.frame_process"
LIMITS = Limits(memory=3 << 30, wall_seconds=60.0, threads=True)
MOST_DAMAGE = 300
Pixels = npt.NDArray[np.uint8]


def video_metadata(path: Path, most_pixels: int) -> dict[str, str]:
    """What a video file says of itself. Raises SourceError where it cannot be read as a video."""
    with _process(path, 0.0, most_pixels) as (_, metadata):
        return metadata


def read_frames(
    path: Path, fps: float, most_pixels: int, damage: list[str]
) -> Iterator[tuple[float, Pixels]]:
    """(second, upright RGB frame (height, width, 3)), at most `fps` times a second of the video.

    What could not be read is added to `damage` at the end, also where its process died. Raises SourceError
    where it cannot be read as a video at all.
    """
    last = 0.0
    with _process(path, fps, most_pixels) as (process, _):
        try:
            while True:
                facts, body = process.channel.receive(most_pixels * 3)
                if "end" in facts:
                    damage += [storable(str(kind)[:MOST_DAMAGE]) for kind in facts["damage"]][:9]
                    return
                if "alive" not in facts:
                    last, frame = _frame(facts, body, last)
                    yield last, frame
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            damage.append(process.end(error).rstrip("."))


def _frame(facts: Facts, body: bytearray, last: float) -> tuple[float, Pixels]:
    """One frame, believed only as far as it can be checked."""
    try:
        second, height, width = float(facts["second"]), int(facts["height"]), int(facts["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise NonsenseReceived from error
    if not (math.isfinite(second) and second >= last and min(height, width) > 0):
        raise NonsenseReceived
    if len(body) != height * width * 3:
        raise NonsenseReceived
    return second, np.frombuffer(body, np.uint8).reshape(height, width, 3)


@contextmanager
def _process(path: Path, fps: float, most_pixels: int) -> Iterator[tuple[ConfinedProcess, dict[str, str]]]:
    """A process that has opened the video, and the metadata; raises SourceError."""
    if importlib.util.find_spec("av") is None:
        raise SourceError(f"videos need PyAV, which is not installed; run {REMEDY}.")
    process = ConfinedProcess(MODULE)
    try:
        request = {"path": str(path), "fps": fps, "most_pixels": most_pixels}
        process.confine(LIMITS, json.dumps(request).encode())
        try:
            facts, _ = process.channel.receive(0)
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            raise SourceError(f"{path} cannot be read as a video: {process.end(error)}") from error
        if "refused" in facts:
            raise SourceError(f"{path} {storable(str(facts['refused']))}.")
        yield process, _texts(facts.get("metadata"))
    finally:
        process.end()


def _texts(metadata: Any) -> dict[str, str]:  # noqa: ANN401
    """The texts among what a process answered."""
    pairs = metadata.items() if isinstance(metadata, dict) else ()
    return {str(name): value for name, value in pairs if isinstance(value, str)}
