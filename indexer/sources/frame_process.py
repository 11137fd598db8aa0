"""The process in which a video is decoded (`python -m indexer.sources.frame_process`): a file in, frames out.

It opens the one file before it is confined; nothing that a container or a playlist names can be opened after.
It answers with what the file says of itself or why it cannot be read, then with a frame at a time, signs of
life in between, and at last what could not be read. The codecs may use threads.
"""

import importlib
import json
import os
import pkgutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import av
import numpy as np
from av.stream import Disposition

from indexer.channel import Channel, ChannelClosed, parent_channel
from indexer.confined import OUT_OF_MEMORY, Limits, confine
from indexer.sources.frame_times import frame_seconds, one_of_each

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,flv"
"""ffmpeg's names of the containers that are read: no playlists, no single pictures."""

MOST_REQUEST = 1 << 16
MOST_FAILURES = 50
"""Failures to read in a row, after which the rest is given up."""

KINDS_OF_DAMAGE = 3
SIGN_OF_LIFE = 1.0


class UnreadableVideoError(Exception):
    """Why a file cannot be read as a video, as one clause."""


def main(channel: Channel) -> None:
    """Read one video, as the first message says: `path`, `fps` (0: no frames) and `most_pixels` a frame."""
    facts, body = channel.receive(MOST_REQUEST)
    limits, request = Limits(**facts), json.loads(body)
    _load_everything()
    try:
        file: BinaryIO | OSError = os.fdopen(os.open(request["path"], os.O_RDONLY | os.O_CLOEXEC), "rb")
    except OSError as error:
        file = error
    confine(limits)
    channel.send({"ready": True})
    try:
        container, stream = _open(file, request["most_pixels"])
        channel.send({"metadata": _texts({**stream.metadata, **container.metadata})})
        if request["fps"]:
            _Film(container, stream, channel, limits).show(request["fps"], request["most_pixels"])
    except UnreadableVideoError as error:
        channel.send({"refused": str(error)})


def _load_everything() -> None:
    """PyAV loads modules when a file needs them, and by then no file can be opened."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _open(file: BinaryIO | OSError, most_pixels: int) -> "tuple[InputContainer, VideoStream]":
    try:
        if isinstance(file, OSError):
            raise file
        container = av.open(
            file,
            mode="r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise UnreadableVideoError(f"cannot be read as a video: {_reason(error)}") from error
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise UnreadableVideoError("holds no video stream")
    stream = moving[0]
    if not stream.width or stream.width * stream.height > most_pixels:
        raise UnreadableVideoError(
            f"has frames of {stream.width}x{stream.height} pixels, which are not read; "
            "convert it to at most 3840x2160"
        )
    return container, stream


class _Film:
    """Sends the frames of one stream, and what could not be read of it."""

    def __init__(
        self, container: "InputContainer", stream: "VideoStream", channel: Channel, limits: Limits
    ) -> None:
        self._container, self._stream, self._channel = container, stream, channel
        self._seconds_at_most, self._last_sign = limits.wall_seconds, time.monotonic()
        self._damage: Counter[str] = Counter()

    def show(self, fps: float, most_pixels: int) -> None:
        """All of it: the first frame in each `1 / fps` seconds."""
        rate = self._stream.average_rate
        frame_time = 1 / float(rate) if rate else 0.04
        self._stream.thread_type = "AUTO"
        last: float | None = None
        stamped = ((frame.time if frame.pts is not None else None, frame) for frame in self._frames())
        timed = frame_seconds(stamped, _beginning(self._stream), frame_time, self._note)
        for second, frame in one_of_each(timed, fps):
            last = second
            if frame.width * frame.height > most_pixels:
                self._note(f"frames of {frame.width}x{frame.height} pixels")
            else:
                pixels = upright(frame)
                height, width = pixels.shape[:2]
                self._send({"second": second, "height": height, "width": width}, pixels.data)
        length = _length(self._container, self._stream)
        if last is None:
            self._note("it holds no frame")
        elif length is not None and last < length - max(2.0, 3 * frame_time, 3 / fps):
            self._note(f"the file says it lasts {length:.1f} s")
        damage = [kind if n == 1 else f"{kind} ({n} times)" for kind, n in self._damage.items()]
        self._send({"end": True, "damage": damage})

    def _frames(self) -> "Iterator[VideoFrame]":
        """Every frame that can be decoded; a damaged packet costs its own frames only."""
        for packet in self._packets():
            self._begin_work()
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError) as error:
                self._note(f"a damaged part: {_reason(error)}")
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._note("a damaged frame")
                yield frame

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """The packets of the stream; goes on behind what cannot be read."""
        failures = 0
        while failures < MOST_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except (av.error.FFmpegError, OSError) as error:
                failures += 1
                self._note(f"reading failed: {_reason(error)}")

    def _begin_work(self) -> None:
        """Give the next packet its time, which the kernel keeps, and let the parent know that all is well."""
        if time.monotonic() - self._last_sign > SIGN_OF_LIFE:
            self._send({"alive": True})
        signal.setitimer(signal.ITIMER_REAL, self._seconds_at_most)

    def _send(self, facts: dict[str, Any], *body: memoryview) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the parent may take its time
        self._channel.send(facts, *body)
        self._last_sign = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, self._seconds_at_most)

    def _note(self, damage: str) -> None:
        """Count what could not be read, no more kinds of it than a sentence can hold."""
        if damage in self._damage or len(self._damage) < KINDS_OF_DAMAGE:
            self._damage[damage] += 1


def upright(frame: "VideoFrame") -> np.ndarray[Any, np.dtype[np.uint8]]:
    """RGB (height, width, 3), turned as the file says it is to be shown."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def _beginning(stream: "VideoStream") -> float | None:
    """Second at which the stream's own clock starts."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)


def _length(container: "InputContainer", stream: "VideoStream") -> float | None:
    """Seconds the file says the stream lasts at least, if it says so."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return None
    return container.duration / 1_000_000 - max(0.0, _beginning(stream) or 0.0)  # some count from 0


def _texts(metadata: dict[str, str]) -> dict[str, str]:
    """What the parent asks for; hostile files have megabytes of it."""
    return {name: metadata[name][:100] for name in ("creation_time",) if name in metadata}


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:200]


if __name__ == "__main__":
    try:
        main(parent_channel())
    except ChannelClosed:
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
