"""From encoded bytes to RGB pixels, trusting nothing: JPEG, PNG and WebP only, whole, upright, within limits.

Pillow's own format classes are opened directly, chosen by the first bytes, so that no other parser of Pillow
can be reached and a huge picture is refused from its header alone.
"""

import io
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from indexer.items import Box

MOST_BYTES = 30_000_000
MOST_PIXELS = 25_000_000
LEAST_SIDE = 8
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPS_SIDES = (5, 6, 7, 8)
TOO_MUCH_MEMORY = "needs too much memory."


class UnreadableImageError(Exception):
    """Why one image cannot be used, as one sentence; it becomes a rejected item and never stops a run."""


@dataclass(frozen=True)
class Decoded:
    """An upright RGB picture. `scale` <= 1: its size over that of the stored picture."""

    picture: Image.Image
    scale: float


@dataclass(frozen=True)
class LeastSize:
    """How large (height, width) a picture, or its box, must at least be decoded.

    filled: neither side may be smaller, as what is made of it has this very size. fitted: what is made of it
    keeps its shape and lies within this size, so that one side of it suffices.
    """

    filled: tuple[int, int]
    fitted: tuple[int, int]

    def room(self, height: float, width: float) -> float:
        """By how much a picture of this size could be made smaller."""
        filled = min(height / self.filled[0], width / self.filled[1])
        return min(filled, max(height / self.fitted[0], width / self.fitted[1]))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file. Never blocks on a FIFO or device; raises UnreadableImageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise UnreadableImageError(
            f"cannot be opened: {getattr(error, 'strerror', None) or error}."
        ) from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):  # before a file object is made, which refuses folders its own way
            raise UnreadableImageError("is not a regular file.")
        if facts.st_size > MOST_BYTES:
            raise UnreadableImageError(f"has {facts.st_size:,} bytes; at most {MOST_BYTES:,} are read.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror}.") from error
    finally:
        os.close(descriptor)


def decode(data: bytes, least_size: LeastSize | None = None, box: Box | None = None) -> Decoded:
    """Decode to upright RGB.

    least_size: the size the picture, or its `box`, is needed in; a JPEG at least twice as large is decoded at
    1/2, 1/4 or 1/8 scale, still no smaller than that, which is much faster. The picture may carry the file's
    metadata in its `info`. Raises UnreadableImageError.
    """
    if len(data) > MOST_BYTES:
        raise UnreadableImageError(f"has {len(data):,} bytes; at most {MOST_BYTES:,} are read.")
    try:
        with _open(data) as image:
            _check_size(*image.size)
            stored_width = image.size[0]
            turn = orientation(image.info.get("exif", b""))
            if least_size and isinstance(image, JpegImageFile):
                _reduce(image, least_size, box, turn in SWAPS_SIDES)
            image.load()
            scale = image.size[0] / stored_width
            picture = _rgb(image)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(TOO_MUCH_MEMORY) from error
    except (
        Exception
    ) as error:  # hostile bytes reach many parsers; whatever they raise, this image is unreadable
        raise UnreadableImageError(f"cannot be decoded: {_first_line(error)}.") from error
    return Decoded(picture.transpose(UPRIGHT[turn]) if turn in UPRIGHT else picture, scale)


def crop(decoded: Decoded, box: Box | None) -> Image.Image:
    """The part inside `box` (pixels of the upright, unscaled picture), clipped to the picture.

    Raises UnreadableImageError when less than 8 x 8 pixels remain.
    """
    picture, scale = decoded.picture, decoded.scale
    if box is not None:
        left, top = max(0, round(box.left * scale)), max(0, round(box.top * scale))
        right, bottom = (
            min(picture.width, round(box.right * scale)),
            min(picture.height, round(box.bottom * scale)),
        )
        if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
            size = f"{round(picture.width / scale)}x{round(picture.height / scale)}"
            raise UnreadableImageError(
                f"the box holds less than {LEAST_SIDE}x{LEAST_SIDE} pixels of a {size} picture."
            )
        picture = picture.crop((left, top, right, bottom))
    if min(picture.size) < LEAST_SIDE:
        raise UnreadableImageError(f"is smaller than {LEAST_SIDE}x{LEAST_SIDE} pixels.")
    return picture


def orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or the block is damaged."""
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", block, 4)
        (entries,) = struct.unpack_from(order + "H", block, offset)
        for entry in range(entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, offset + 2 + 12 * entry)
            if tag == ORIENTATION_TAG and kind == 3 and 1 <= value <= 8:
                return int(value)
    except struct.error:
        return 1
    return 1


def _open(data: bytes) -> JpegImageFile | PngImageFile | WebPImageFile:
    file = io.BytesIO(data)
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(file)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _check_webp_size(data)
        return WebPImageFile(file)
    raise UnreadableImageError("is empty." if not data else "is no JPEG, PNG or WebP image.")


def _check_webp_size(data: bytes) -> None:
    """An extended WebP names its canvas in the header; refuse a huge one before a decoder allocates it."""
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width, height = (1 + int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
        _check_size(width, height)


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(f"has {width}x{height} pixels; at most {MOST_PIXELS:,} are decoded.")


def _reduce(image: JpegImageFile, least_size: LeastSize, box: Box | None, turned: bool) -> None:
    """Ask the JPEG decoder for a smaller picture in which the box is still at least `least_size`."""
    width, height = image.size if not turned else image.size[::-1]
    part = (box.bottom - box.top, box.right - box.left) if box else (height, width)
    room = least_size.room(*part)
    if room >= 2:
        factor = next(f for f in (8, 4, 2) if f <= room)
        image.draft("RGB", (image.size[0] // factor, image.size[1] // factor))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":  # with transparency Pillow asks for this way
        return image.convert("RGBA").convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:200] or type(error).__name__


def printable(path: str | Path) -> str:
    """A path as text that can be stored and printed, whatever bytes the file name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
