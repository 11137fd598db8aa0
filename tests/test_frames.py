"""Frames of hard videos: uneven, damaged, changing, endless, posing, and deadly to what decodes them."""

import dataclasses
import itertools
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from painted_video import ColourDetector, frame_at, write_frames, write_video
from PIL import Image

from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.sources import frames as module
from indexer.sources.frames import MODULE, read_frames, video_metadata
from indexer.sources.video import MOST_PIXELS, VideoSource

av = pytest.importorskip("av")


def read(path: Path, fps: float = 60) -> tuple[list[tuple[float, np.ndarray]], list[str]]:
    damage = list[str]()
    return list(read_frames(path, fps, MOST_PIXELS, damage)), damage


def painted(milliseconds: list[int]) -> list[tuple[int, np.ndarray]]:
    return [(at, frame_at(at / 1000)) for at in milliseconds]


def decoders_of_films() -> list[psutil.Process]:
    """The processes that decode a film for this one."""
    return [child for child in psutil.Process().children() if any(MODULE in word for word in child.cmdline())]


@pytest.mark.parametrize("beginning", [0, 90_000])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_uneven_frames_are_shown_when_their_stamps_say(tmp_path: Path, beginning: int, ending: str) -> None:
    """A camera that slows down at night and stands still for a minute."""
    gaps = [40] * 25 + [330, 70, 900] * 5 + [60_000] + [100] * 20
    times = [0, *itertools.accumulate(gaps)]
    pictures = [(beginning + at, frame_at(at / 1000 % 14)) for at in times]
    path = write_frames(tmp_path / f"uneven.{ending}", pictures)
    for fps in (60, 5, 1):
        slots = [at * fps // 1000 for at in times]
        expected = [times[slots.index(slot)] / 1000 for slot in sorted(set(slots))]
        frames, damage = read(path, fps)
        assert damage == []
        assert [second for second, _ in frames] == pytest.approx(expected, abs=2e-3)
        for second, pixels in frames:
            assert np.abs(pixels.astype(int) - frame_at(second % 14)).mean() < 12


def broken(at: set[int], kept: int = 0) -> Callable[[int, object], object]:
    """Exchanges these packets for noise, but for their first bytes."""

    def spoil(number: int, packet: av.Packet) -> av.Packet:
        if number not in at:
            return packet
        noise = av.Packet(bytes(packet)[:kept] + np.random.default_rng(number).bytes(packet.size - kept))
        noise.pts, noise.dts, noise.time_base, noise.stream = (
            packet.pts,
            packet.dts,
            packet.time_base,
            packet.stream,
        )
        return noise

    return spoil


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "libx264"])
def test_broken_packets_are_skipped_and_counted_once(tmp_path: Path, codec: str) -> None:
    times, bad = list(range(0, 8000, 100)), {11, 12, 13, 40, 61}
    path = write_frames(
        tmp_path / "broken.mkv", painted(times), codec, broken(bad, 6 if codec == "libx264" else 0)
    )
    frames, damage = read(path)
    good = {at / 1000 for number, at in enumerate(times) if number not in bad}
    assert good <= {round(second, 3) for second, _ in frames}
    assert all(kind.startswith(("a damaged part: ", "a damaged frame")) for kind in damage)
    counts = [re.search(r" \((\d+) times\)$", kind) for kind in damage]
    assert sum(int(count[1]) if count else 1 for count in counts) == 5


def test_one_mad_stamp_costs_no_frame(tmp_path: Path) -> None:
    def leap(number: int, packet: av.Packet) -> av.Packet:
        if number == 20:
            packet.pts += 7_000_000
        return packet

    times = list(range(0, 4000, 100))
    frames, damage = read(write_frames(tmp_path / "mad.mkv", painted(times), "mjpeg", leap))
    seconds = [second for second, _ in frames]
    assert seconds[:20] == pytest.approx([at / 1000 for at in times[:20]], abs=2e-3)
    assert seconds[-19:] == pytest.approx([at / 1000 for at in times[-19:]], abs=2e-3)
    assert "impossible times" in damage


def test_frames_may_change_their_size(tmp_path: Path) -> None:
    """Two recordings one after the other in one stream, as a camera writes that was set anew."""
    small = [(at, frame_at(at / 1000)[:96, :160].copy()) for at in range(0, 2000, 40)]
    parts = [
        write_frames(tmp_path / f"{number}.ts", pictures)
        for number, pictures in enumerate([painted(list(range(0, 2000, 40))), small])
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, _ = read(path)
    sizes = [pixels.shape for _, pixels in frames]
    assert [size for size, _ in itertools.groupby(sizes)] == [(192, 320, 3), (96, 160, 3)]
    assert list(VideoSource(str(path), ColourDetector()))
    seconds = [second for second, _ in frames]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(4, abs=0.5)


def test_a_film_of_hours_takes_no_more_memory_at_its_end(tmp_path: Path) -> None:
    """Four hours, a frame each three seconds, of reading and of this process together."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    pictures = ((3000 * number, noise[number % 40]) for number in range(4800))
    path = write_frames(tmp_path / "long.mkv", pictures)
    here, peaks = psutil.Process(), [0, 0, 0]
    last = 0.0
    for number, (second, _) in enumerate(read_frames(path, 1, MOST_PIXELS, [])):
        last = second
        if number % 20 == 0:
            size = sum(process.memory_info().rss for process in [here, *decoders_of_films()])
            peaks[min(2, number // 1600)] = max(peaks[min(2, number // 1600)], size)
    assert last == pytest.approx(4799 * 3)
    assert peaks[2] - peaks[0] < 4_000_000


def test_what_poses_as_a_video_is_refused(tmp_path: Path) -> None:
    picture = Image.fromarray(frame_at(1))
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        picture.save(tmp_path / f"{kind}.mp4", kind)
    secret = write_video(tmp_path / "secret.mkv", seconds=1)
    (tmp_path / "playlist.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {secret}\n")
    posing = sorted(tmp_path.glob("*.mp4"))
    assert len(posing) == 8
    for path in posing:
        with pytest.raises(SourceError, match=r"mp4 (cannot be read as a video|holds no video)"):
            video_metadata(path, MOST_PIXELS)


def test_a_file_without_a_frame_is_reported(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "none.mkv", painted([0, 100]), "mjpeg", broken({0, 1}))
    [only] = list(VideoSource(str(path), ColourDetector()))
    assert isinstance(only, Rejected)
    assert "it holds no frame" in only.reason


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGSEGV, "the decoder died on it (signal 11)"), (signal.SIGSTOP, "took longer than 1 s")],
)
def test_a_film_that_kills_or_hangs_its_decoder_keeps_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    monkeypatch.setattr(module, "LIMITS", dataclasses.replace(module.LIMITS, wall_seconds=1.0))
    path = write_video(tmp_path / "deadly.mkv")

    class Killer(ColourDetector):
        def find(self, frame: np.ndarray) -> list:
            if self.frames == 14:
                [child] = decoders_of_films()
                os.kill(child.pid, number)
            return super().find(frame)

    entries = list(VideoSource(str(path), Killer()))
    assert decoders_of_films() == []
    assert len([entry for entry in entries if isinstance(entry, RawImage)]) > 0
    assert isinstance(entries[-1], Rejected)
    assert entries[-1].reason.startswith("could be read only in part")
    assert reason in entries[-1].reason


def test_a_reader_that_stops_early_leaves_no_process(tmp_path: Path) -> None:
    frames = read_frames(write_video(tmp_path / "film.mkv"), 5, MOST_PIXELS, [])
    next(frames)
    assert len(decoders_of_films()) == 1
    frames.close()
    assert decoders_of_films() == []
