"""One image ready to be embedded: decoded, cropped, resized, and as a small JPEG for people to look at."""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.decode import TOO_MUCH_MEMORY, Decoded, LeastSize, UnreadableImageError, crop, decode
from indexer.items import GalleryItem, RawImage, Rejected

THUMBNAIL_SIZE = (384, 192)
"""Height and width that a thumbnail is fitted into."""

THUMBNAIL_QUALITY = 85


class Preprocess(Protocol):
    """What turns a crop into pixels; called in threads, or pickled into processes that decode.

    Equal ones are served by the same processes.
    """

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        ...

    def __call__(self, picture: Image.Image, /) -> npt.NDArray[np.uint8]:
        """An RGB picture of any size -> uint8 (height, width, 3). It leaves the picture as it is."""
        ...


@dataclass(frozen=True)
class Prepared:
    """One crop ready to be embedded: pixels, uint8 (height, width, 3), and a small JPEG."""

    item: GalleryItem
    pixels: npt.NDArray[np.uint8]
    thumbnail: bytes


def prepare(raw: RawImage, preprocess: Preprocess) -> Prepared | Rejected:
    """Decode, crop, preprocess and thumbnail one image. Never raises for a bad image.

    Encoded bytes are the whole picture and are cropped to the item's box; decoded pixels are the crop
    already.
    """
    item = raw.item
    try:
        if isinstance(raw.data, bytes):
            least = LeastSize(filled=preprocess.image_size, fitted=THUMBNAIL_SIZE)
            picture = crop(decode(raw.data, least, item.box), item.box)
        else:
            picture = crop(Decoded(Image.fromarray(raw.data), 1.0), None)
        return Prepared(item, preprocess(picture), thumbnail(picture))
    except UnreadableImageError as error:
        return Rejected(item.key, item.uri, item.source, str(error))
    except MemoryError:
        return Rejected(item.key, item.uri, item.source, TOO_MUCH_MEMORY)
    except Exception as error:  # whatever one image provokes must not end a run of a million
        reason = f"cannot be prepared: {type(error).__name__}: {str(error)[:200]}"
        return Rejected(item.key, item.uri, item.source, reason)


def thumbnail(picture: Image.Image) -> bytes:
    """A JPEG of at most 384 x 192 (height x width) pixels, without metadata."""
    width, height = picture.size
    scale = min(1.0, THUMBNAIL_SIZE[0] / height, THUMBNAIL_SIZE[1] / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = picture.convert("RGB") if picture.mode != "RGB" else picture
    small = small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)  # a copy where nothing shrinks
    small.info.clear()
    with _memory_file() as file:
        small.save(file, "JPEG", quality=THUMBNAIL_QUALITY)
        file.seek(0)
        return file.read()


def _memory_file() -> BinaryIO:
    """A file in memory; a real one where the system has such, as Pillow lets other threads run only then."""
    try:
        return os.fdopen(os.memfd_create("thumbnail"), "w+b", buffering=0)
    except (AttributeError, OSError):  # another system, an old kernel, a sandbox that forbids it
        return io.BytesIO()
