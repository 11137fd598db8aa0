"""Attributes that a filter names and no item has, which most often are misspelt ones."""

from collections.abc import Sequence
from difflib import get_close_matches

from indexer.filters import OWN_FIELDS, Filter, attributes_in
from indexer.gallery import Gallery

MOST_NAMES = 8
"""Names that a note holds at most, of either kind."""

MOST_COMPARED, LONGEST_COMPARED = 200, 60
"""Names that are looked through for what may have been meant, and letters of each: comparing takes time."""


def note_of_missing(gallery: Gallery, where: Filter | None, visible: Filter | None = None) -> str | None:
    """One sentence about the attributes of a filter that no item has, and which ones there are instead.

    None where items have all of them. Only items that `visible` lets through are looked at: to who may see
    no others, those are all. What is there is in memory: nothing is read from disk.
    """
    asked = set() if where is None else set(attributes_in(where))
    there = gallery.attributes(visible) if asked else set[str]()
    missing = sorted(asked - there)
    if not missing:
        return None
    what = "the attribute" if len(missing) == 1 else "any of the attributes"
    instead = _closest_first(missing[:MOST_NAMES], there)
    advice = f"what there is to filter by: {_listed(instead)}" if instead else "no item has any attributes"
    return f"No item has {what} {_listed(missing)}; {advice}."


def _closest_first(missing: Sequence[str], there: set[str]) -> list[str]:
    """The attributes there are, before them what one of the missing may have meant, fields of items too."""
    meant = {_compared(name): name for name in (*OWN_FIELDS, *sorted(there)[:MOST_COMPARED])}
    close = [meant[name] for wrong in missing for name in get_close_matches(_compared(wrong), meant)]
    return list(dict.fromkeys([*close, *sorted(there)]))


def _compared(name: str) -> str:
    return name[:LONGEST_COMPARED].casefold()


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
