"""One image as the gallery takes it: an evaluation's pixels, and a small JPEG that tells nothing else."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from indexer import prepared
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, prepare, thumbnail
from model.resizing import Resize


def noise(width: int, height: int) -> Image.Image:
    """Coarse noise, so that JPEG leaves it nearly as it is."""
    rng = np.random.default_rng(width * 7919 + height)
    coarse = rng.integers(0, 255, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def raw(data: bytes | np.ndarray, box: Box | None = None) -> RawImage:
    return RawImage(GalleryItem("k", "u", "toy:", box), data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("box", [None, Box(10, 20, 70, 140)])
@pytest.mark.parametrize("size", [(48, 16), (384, 128)])
def test_pixels_are_those_of_an_evaluation_where_nothing_is_reduced(kind, box, size) -> None:
    data = encoded(noise(100, 200), kind)
    done = prepare(raw(data, box), Resize(size))
    assert isinstance(done, Prepared)
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    shown = whole.crop((10, 20, 70, 140)) if box else whole
    truth = shown.resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.array_equal(done.pixels, np.asarray(truth))


def test_pixels_of_a_large_jpeg_are_close_to_those_of_an_evaluation() -> None:
    picture = noise(512, 1024)
    data = encoded(picture, "JPEG", quality=95)
    done = prepare(raw(data), Resize((160, 64)))
    assert isinstance(done, Prepared)
    truth = np.asarray(Image.open(io.BytesIO(data)).resize((64, 160), Image.Resampling.BILINEAR), int)
    difference = np.abs(done.pixels.astype(int) - truth)
    assert 0 < difference.mean() < 1
    assert difference.max() <= 12


def test_decoded_pixels_are_the_crop_already() -> None:
    pixels = np.asarray(noise(40, 90))
    done = prepare(raw(pixels, Box(0, 0, 5, 5)), Resize((90, 40)))
    assert isinstance(done, Prepared)
    assert np.array_equal(done.pixels, pixels)


def test_a_bad_image_is_a_rejected_entry() -> None:
    outcome = prepare(raw(b"no picture"), Resize((16, 8)))
    assert outcome == Rejected("k", "u", "toy:", "is no JPEG, PNG or WebP image.")


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(800, 1200, (192, 288)), (10, 900, (4, 384)), (900, 3, (192, 1)), (64, 128, (64, 128)), (1, 1, (1, 1))],
)
def test_thumbnails_lie_within_192_by_384_and_keep_their_shape(width, height, size) -> None:
    small = Image.open(io.BytesIO(thumbnail(noise(width, height))))
    assert (small.format, small.size) == ("JPEG", size)


@pytest.mark.parametrize("width", [96, 600, 1500])
def test_thumbnails_are_those_of_pillow(width) -> None:
    picture = noise(width, 2 * width)
    truth = picture.copy()
    truth.thumbnail((192, 384), Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert thumbnail(picture) == encoded(truth, "JPEG", quality=prepared.THUMBNAIL_QUALITY)


def test_thumbnails_tell_nothing_else_and_leave_the_picture_as_it_is() -> None:
    for size in ((800, 1200), (60, 120)):
        picture = Image.new("RGB", size, (10, 200, 30))
        facts = {"comment": b"secret", "icc_profile": b"secret", "exif": b"secret", "xmp": b"secret"}
        picture.info.update(facts)
        assert b"secret" not in thumbnail(picture)
        assert (picture.size, picture.info) == (size, facts)


def test_what_a_file_tells_beside_its_pixels_does_not_reach_the_thumbnail() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret"
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "secret")
    jpeg = encoded(noise(60, 120), "JPEG", exif=exif, comment=b"secret", icc_profile=b"secret", xmp=b"secret")
    for data in (jpeg, encoded(noise(60, 120), "PNG", pnginfo=text, exif=exif, icc_profile=b"secret")):
        done = prepare(raw(data), Resize((16, 8)))
        assert isinstance(done, Prepared)
        assert b"secret" not in done.thumbnail


def test_thumbnails_are_the_same_where_the_system_has_no_files_in_memory(monkeypatch) -> None:
    picture = noise(300, 500)
    before = thumbnail(picture)
    monkeypatch.delattr(prepared.os, "memfd_create", raising=False)
    assert thumbnail(picture) == before


def test_thumbnails_are_the_same_where_a_sandbox_forbids_files_in_memory(monkeypatch) -> None:
    def forbidden(name: str) -> int:
        raise PermissionError("Operation not permitted")

    picture = noise(300, 500)
    before = thumbnail(picture)
    monkeypatch.setattr(prepared.os, "memfd_create", forbidden, raising=False)
    assert thumbnail(picture) == before
