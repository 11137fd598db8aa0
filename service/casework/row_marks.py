"""Marks by which entries know the rows they were made on: an id alone may come to mean somebody else.

A gallery that is deleted and indexed anew counts its ids from the beginning, and one state folder may serve
two galleries.
"""

import hashlib

from indexer.items import GalleryItem


def row_mark(item: GalleryItem) -> str:
    """What tells this item from all others, and nothing about it."""
    return hashlib.sha256(repr((item.source, item.key)).encode()).hexdigest()[:32]


def fits(mark: str, item: GalleryItem) -> bool:
    """Whether an entry may have been made on this item; entries of earlier versions have no mark."""
    return mark in ("", row_mark(item))
