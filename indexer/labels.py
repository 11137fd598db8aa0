"""How sources are named to those who may not know the folders of this machine."""

from functools import lru_cache
from pathlib import PurePath


@lru_cache(1024)  # every hit of every answer asks
def source_label(source: str) -> str:
    """`manifest:/data/people/people.csv` -> `manifest:people.csv`."""
    scheme, colon, place = source.partition(":")
    return f"{scheme}{colon}{PurePath(place).name}" if colon else PurePath(source).name


def file_label(uri: str) -> str:
    """The last part of an address: `/data/people/7.jpg` -> `7.jpg`."""
    return uri.rstrip("/").rpartition("/")[2] or uri
