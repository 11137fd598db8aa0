"""What can go wrong between images and a searchable gallery.

GalleryError
├── SourceError            a source of images that cannot be opened or read
├── GalleryMissing         no gallery at that place
├── FingerprintMismatch    made by another encoder
├── GalleryCorrupt         the database, the truth, is damaged
├── GalleryBusy            another process is writing
├── GalleryFull            the disk is full; nothing acknowledged was lost
└── FilterError            a filter in words that cannot be read
"""

from model.errors import CsktError


class GalleryError(CsktError):
    """A gallery or a source of images that cannot be used as asked."""


class SourceError(GalleryError):
    """A source of images that cannot be opened or read."""


class GalleryMissing(GalleryError):
    """There is no gallery at that place."""


class FingerprintMismatch(GalleryError):
    """The gallery was made by another encoder; its vectors cannot be compared."""


class GalleryCorrupt(GalleryError):
    """The gallery's database, its single truth, is damaged."""


class GalleryBusy(GalleryError):
    """Another process is writing to this gallery."""


class GalleryFull(GalleryError):
    """The disk is full; what was acknowledged before is safe."""


class FilterError(GalleryError):
    """A filter in words that cannot be read; the sentence says where and what was expected."""
