"""Decoding trusts nothing: hostile bytes become one sentence, honest ones the pixels that were stored."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from indexer.decode import (
    MOST_BYTES,
    Decoded,
    LeastSize,
    UnreadableImageError,
    crop,
    decode,
    orientation,
    printable,
    read_file,
)
from indexer.items import Box

FORMATS = ("JPEG", "PNG", "WEBP")


def picture(width: int = 60, height: int = 120) -> Image.Image:
    """A smooth picture no two corners of which look alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 255 * rows / height, 255 * columns / width
    return Image.fromarray(np.stack([red, green, 255 - red], axis=2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode(data)
    return str(caught.value)


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_are_those_that_were_stored(kind: str) -> None:
    options = {"PNG": {}, "JPEG": {"quality": 95}, "WEBP": {"lossless": True}}[kind]
    decoded = decode(encoded(picture(), kind, **options))
    difference = np.abs(np.asarray(decoded.picture, int) - np.asarray(picture(), int))
    assert decoded.scale == 1
    assert difference.max() <= (0 if kind != "JPEG" else 8)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9])
def test_truncated_images_are_refused(kind: str, part: float) -> None:
    data = encoded(picture(), kind)
    assert reason(data[: int(part * len(data))]).startswith("cannot be decoded: ")


def test_other_formats_are_refused_whatever_they_are_called() -> None:
    for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PDF"):
        assert reason(encoded(picture(), kind)) == "is no JPEG, PNG or WebP image."
    assert reason(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "is no JPEG, PNG or WebP image."
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "is no JPEG, PNG or WebP image."
    assert reason(b"") == "is empty."


def test_the_bytes_decide_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(picture(), "PNG"))
    assert decode(read_file(path)).picture.size == (60, 120)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_header(width: int, height: int) -> bytes:
    """A real JPEG whose frame header was overwritten with another size."""
    data = encoded(picture(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def webp_header(width: int, height: int) -> bytes:
    """An extended WebP whose canvas claims another size."""
    data = bytearray(encoded(picture(), "WEBP", exif=b"Exif\x00\x00MM\x00*"))
    assert data[12:16] == b"VP8X"
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.parametrize("make", [png_header, jpeg_header, webp_header])
def test_bombs_are_refused_by_their_header(make) -> None:
    sentence = reason(make(16000, 15000))
    assert "16000x15000 pixels" in sentence
    assert "25,000,000" in sentence


def test_25_megapixels_are_the_limit() -> None:
    assert "pixels; at most" not in reason(png_header(5000, 5000))  # allowed, but truncated
    assert "5000x5001 pixels; at most" in reason(png_header(5000, 5001))


def test_compressed_text_in_a_png_cannot_blow_up() -> None:
    bomb = zlib.compress(bytes(30_000_000))
    body = b"zTXtcomment\x00\x00" + bomb
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    honest = encoded(picture(), "PNG")
    assert reason(honest[:33] + chunk + honest[33:]).startswith("cannot be decoded: ")


def test_too_many_bytes_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(UnreadableImageError, match="30,000,001 bytes"):
        read_file(path)
    assert "30,000,001 bytes" in reason(bytes(MOST_BYTES + 1))


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.jpg"
    os.mkfifo(fifo)  # opening it the usual way would wait for a writer for ever
    for path in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(UnreadableImageError, match="not a regular file"):
            read_file(path)
    with pytest.raises(UnreadableImageError, match="cannot be opened: No such file"):
        read_file(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableImageError, match="cannot be opened"):
        read_file("zero\x00byte.jpg")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_as_pillow_does(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(picture(), kind, exif=exif)
    truth = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(np.asarray(decode(data).picture), np.asarray(truth))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_damaged_exif_never_raises(tail: bytes) -> None:
    for head in (b"", b"Exif\x00\x00", b"II*\x00", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08"):
        assert 1 <= orientation(head + tail) <= 8


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_give_a_picture_or_one_sentence(kind: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(picture(24, 48), kind))
    for position, value in damage:
        data[position % len(data)] = value
    try:
        outcome = decode(bytes(data)).picture.mode
    except UnreadableImageError as error:
        outcome = str(error)
    assert outcome == "RGB" or (outcome.endswith(".") and len(outcome) < 300 and "\n" not in outcome)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    grey = Image.new("L", (16, 24), 128)
    image = Image.new("I;16", (16, 24), 128 << 8) if mode == "I;16" else grey.convert(mode)
    decoded = decode(encoded(image, "PNG"))
    assert decoded.picture.mode == "RGB"
    values = np.unique(np.asarray(decoded.picture))
    assert set(values) <= ({0, 255} if mode == "1" else {127, 128, 129})


def test_cmyk_and_transparent_palettes_become_rgb() -> None:
    assert decode(encoded(picture().convert("CMYK"), "JPEG")).picture.mode == "RGB"
    palette = picture().convert("P")
    assert decode(encoded(palette, "PNG", transparency=bytes([0, 128, 255]))).picture.mode == "RGB"


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("box", [None, Box(100, 200, 700, 1500), Box(0, 0, 210, 400)])
def test_large_jpegs_are_decoded_smaller_but_never_too_small(turn: int, box: Box | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = picture(900, 1800) if turn == 1 else picture(1800, 900)
    data = encoded(stored, "JPEG", quality=95, exif=exif)
    least = (384, 192)
    small, full = decode(data, LeastSize(least, least), box), decode(data)
    assert small.scale == (0.25 if box is None else 1 if box.right == 210 else 1 / 2)
    part, truth = crop(small, box), crop(full, box)
    assert part.height >= min(least[0], truth.height)
    assert part.width >= min(least[1], truth.width)
    same_size = truth.resize(part.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(part, int) - np.asarray(same_size, int)).mean() < 3


@pytest.mark.parametrize(
    ("filled", "fitted", "scale"),
    [
        ((160, 64), (384, 192), 1 / 2),  # a thumbnail of 384 x 130 needs half of the 800 rows
        ((384, 128), (384, 192), 1 / 2),
        ((384, 192), (384, 192), 1),  # both sides are needed, and 270 columns are no two times 192
        ((160, 64), (96, 48), 1 / 4),
        ((512, 256), (96, 48), 1),  # an encoder that takes more than a thumbnail
    ],
)
def test_the_scale_follows_what_a_tall_picture_is_needed_for(filled, fitted, scale) -> None:
    data = encoded(picture(270, 800), "JPEG")
    assert decode(data, LeastSize(filled, fitted)).scale == pytest.approx(scale, rel=0.01)


def test_crops_are_clipped_to_the_picture() -> None:
    whole = Decoded(picture(), 1.0)
    expected = np.asarray(picture())[100:120, 0:20]
    assert np.array_equal(np.asarray(crop(whole, Box(-50, 100, 20, 4000))), expected)
    for box in (Box(100, 0, 200, 50), Box(0, 0, 7, 100), Box(-100, -100, -1, -1)):
        with pytest.raises(UnreadableImageError, match="less than 8x8 pixels of a 60x120 picture"):
            crop(whole, box)
    with pytest.raises(UnreadableImageError, match="smaller than 8x8"):
        crop(Decoded(Image.new("RGB", (7, 100)), 1.0), None)


def test_paths_of_any_bytes_can_be_stored_and_printed() -> None:
    assert printable(os.fsdecode(b"caf\xe9/gar\xc3\xa7on.jpg")) == "caf\\xe9/garçon.jpg"
