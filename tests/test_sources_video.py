"""Videos: painted people come out once, where and when they were; damage costs only what it destroyed."""

import struct
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from painted_video import FIGURES, RED, SECONDS, ColourDetector, frame_at, write_video

from indexer.detector import iou
from indexer.errors import SourceError
from indexer.items import RawImage, Rejected
from indexer.sources import open_source, video
from indexer.sources.video import VideoSource, split_options
from indexer.times import parse


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "gate 1.mkv")


def read(place: Path | str) -> tuple[list[RawImage], list[Rejected]]:
    entries = list(VideoSource(str(place), ColourDetector()))
    images = [entry for entry in entries if isinstance(entry, RawImage)]
    return images, [entry for entry in entries if isinstance(entry, Rejected)]


def test_each_person_is_one_track_of_crops_where_they_were(clip: Path) -> None:
    images, rejected = read(clip)
    assert rejected == []
    tracks = [list(crops) for _, crops in groupby(images, key=lambda image: image.item.track)]
    assert [len(crops) for crops in tracks] == [5, 5]
    for crops, figure in zip(tracks, FIGURES, strict=True):
        for image in crops:
            facts = image.item.attributes
            truth = figure.box(facts["second"])
            assert truth is not None
            assert iou(image.item.box, truth) > 0.85
            assert facts["track_first_second"] == pytest.approx(figure.begin, abs=0.21)
            assert facts["track_last_second"] == pytest.approx(figure.end, abs=0.31)
            middle = image.data[10:-10, 8:-8].reshape(-1, 3).mean(axis=0)
            assert np.argmax(middle) == np.argmax(figure.colour)
        seconds = [image.item.attributes["second"] for image in crops]
        assert seconds == sorted(set(seconds))


def test_items_name_video_camera_time_and_place(clip: Path) -> None:
    images, _ = read(f"{clip}?camera=north%20gate&start=2026-05-01T14:00:00%2B02:00&crops=2")
    assert len(images) == 4
    for image in images:
        item, second = image.item, image.item.attributes["second"]
        assert item.source == f"video:{clip}"
        assert item.camera == "north gate"
        assert (parse(item.seen_at) - parse("2026-05-01T12:00:00Z")).total_seconds() == pytest.approx(second)
        box = item.box
        sides = f"{box.left:.0f},{box.top:.0f},{box.right - box.left:.0f},{box.bottom - box.top:.0f}"
        assert item.key == item.uri == f"{clip}#t={second:.3f}&xywh={sides}"


def test_without_options_the_file_names_the_camera_and_no_time_is_made_up(clip: Path) -> None:
    images, _ = read(clip)
    assert {image.item.camera for image in images} == {"gate 1"}
    assert {image.item.seen_at for image in images} == {None}


def test_the_files_own_creation_time_counts_unless_the_clock_was_never_set(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for stamp, expected in [("2026-05-01T12:00:00Z", "2026-05-01T12:00:0"), ("1970-01-01T00:00:00Z", None)]:
        path = write_video(tmp_path / "plain.mkv", seconds=3)
        with av.open(str(path)) as plain, av.open(str(tmp_path / "stamped.mkv"), "w") as stamped:
            stamped.metadata["creation_time"] = stamp
            out = stamped.add_stream_from_template(plain.streams.video[0])
            for packet in plain.demux(plain.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = out
                    stamped.mux(packet)
        images, _ = read(tmp_path / "stamped.mkv")
        assert images
        for image in images:
            assert image.item.seen_at is None if expected is None else image.item.seen_at.startswith(expected)


def test_two_passes_and_two_sources_give_the_same_items(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoSource(str(clip), ColourDetector())
    first, second = list(source), list(source)
    monkeypatch.chdir(clip.parent)
    third = list(VideoSource(clip.name, ColourDetector()))
    assert [e.item for e in first] == [e.item for e in second] == [e.item for e in third]
    assert all((a.data == b.data).all() for a, b in zip(first, third, strict=True))
    assert len({entry.item.key for entry in first}) == len(first)


def test_two_files_of_one_name_have_tracks_of_their_own(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / clip.name
    copy.write_bytes(clip.read_bytes())
    names = [{image.item.track for image in read(path)[0]} for path in (clip, copy)]
    assert len(names[0] | names[1]) == 4


def test_fps_says_how_many_frames_are_searched(clip: Path) -> None:
    for fps, expected in [(2, 2 * SECONDS), (5, 5 * SECONDS), (60, 10 * SECONDS)]:
        source = VideoSource(f"{clip}?fps={fps}", ColourDetector())
        frames = list(source._frames())
        assert len(frames) == pytest.approx(expected, abs=1)
        for second, pixels in frames[:: len(frames) // 7]:
            assert np.abs(pixels.astype(int) - frame_at(second)).mean() < 12


def test_still_pictures_are_not_searched_again_and_again(clip: Path) -> None:
    detector = ColourDetector()
    list(VideoSource(str(clip), detector))
    moving = sum(figure.end - figure.begin for figure in FIGURES)
    assert 5 * moving * 0.9 < detector.frames < 5 * (moving + (SECONDS - moving) / 2)


@pytest.mark.parametrize(
    ("name", "options"), [("cut.mkv", None), ("cut.avi", None), ("cut.mp4", {"movflags": "faststart"})]
)
def test_a_truncated_video_keeps_what_could_be_read(
    tmp_path: Path, name: str, options: dict[str, str] | None
) -> None:
    whole = write_video(tmp_path / f"whole-{name}", options=options).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 6 // 10])
    images, rejected = read(tmp_path / name)
    assert np.argmax(RED) in {np.argmax(image.data[20:-20].mean(axis=(0, 1))) for image in images}
    [damage] = rejected
    assert damage.key == f"{tmp_path / name}#damage"
    assert damage.reason.startswith("could be read only in part (up to second ")


def test_a_damaged_middle_costs_only_its_own_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "scratched.mkv")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    images, _ = read(path)
    assert {int(np.argmax(image.data[20:-20].mean(axis=(0, 1)))) for image in images} == {0, 2}


def test_a_recording_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cut\.mp4 cannot be read as a video: "):
        VideoSource(str(tmp_path / "cut.mp4"), ColourDetector())


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    for name in ("empty.mp4", "text.mp4", "list.mp4"):
        with pytest.raises(SourceError, match=rf"{name} (cannot be read as a video|holds no video)"):
            VideoSource(str(tmp_path / name), ColourDetector())
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="holds no video stream"):
        VideoSource(str(tmp_path / "sound.mkv"), ColourDetector())
    with pytest.raises(SourceError, match=r"none\.mp4 does not exist"):
        VideoSource(str(tmp_path / "none.mp4"), ColourDetector())


def test_huge_frames_are_refused_from_the_header(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MOST_PIXELS", 320 * 192 - 1)
    with pytest.raises(SourceError, match="frames of 320x192 pixels, which are not read"):
        VideoSource(str(clip), ColourDetector())


@pytest.mark.parametrize(
    ("turns", "matrix"),
    [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))],
    ids=["quarter", "half", "three quarters"],
)
def test_a_video_that_is_shown_turned_is_read_turned(tmp_path: Path, turns: int, matrix: tuple) -> None:
    """Telephones store portrait pictures lying down, with a note how to turn them."""

    def lying(second: float) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(frame_at(second)[:, :192], turns))  # turned left

    path = write_video(tmp_path / "phone.mp4", seconds=3, picture=lying)
    data = bytearray(path.read_bytes())
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    at = data.index(upright, data.index(b"tkhd"))
    a, b, c, d = (0x10000 * value for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 192 << 16, 192 << 16, 0x40000000)
    path.write_bytes(data)
    images, _ = read(path)
    assert images
    for image in images:
        assert iou(image.item.box, FIGURES[0].box(image.item.attributes["second"])) > 0.85


def test_options_are_read_or_refused_by_name(tmp_path: Path) -> None:
    path, options = split_options("a/b.mp4?camera=gate%26door&start=2026-05-01T12:00:00Z&fps=2.5&crops=7")
    assert path == Path("a/b.mp4")
    assert (options.camera, options.fps, options.crops) == ("gate&door", 2.5, 7)
    assert options.start == parse("2026-05-01T12:00:00Z")
    for query, sentence in [
        ("colour=red", "'colour=red' is no option of a video source; known are camera, start, fps, crops"),
        ("camera=", "'camera=' is no option"),
        ("start=noon", "the video option start: 'noon' is no time"),
        ("fps=0", "the video option fps=0 must be a number from 0.1 to 60"),
        ("fps=nan", "fps=nan must be a number"),
        ("crops=many", "crops=many must be a number from 1 to 50"),
    ]:
        with pytest.raises(SourceError) as caught:
            split_options(f"a/b.mp4?{query}")
        assert sentence in str(caught.value)
    odd = tmp_path / "who?camera=x.mp4"
    odd.touch()
    assert split_options(str(odd)) == (odd, video.VideoOptions())


def test_a_missing_detector_is_one_sentence(
    clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CSKT_DETECTOR", str(tmp_path / "none.pb"))
    with pytest.raises(SourceError, match=r"CSKT_DETECTOR names .*none\.pb, which is no file"):
        open_source(f"video:{clip}")
    monkeypatch.delenv("CSKT_DETECTOR")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match="not installed; run pip install") as caught:
        open_source(f"video:{clip}")
    assert "\n" not in str(caught.value)
