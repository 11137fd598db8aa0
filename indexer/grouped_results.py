"""Groups of hits as `cskt search --group` prints them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.grouping import Group
    from indexer.items import Hit

MOST_OTHERS = 20


def more(group: "Group") -> str:
    """`+3 more of this track`, or nothing where the best crop is alone."""
    count = len(group.others)
    if not count:
        return ""
    return f"+{count}{' or more' if count == MOST_OTHERS else ' more'} of this {group.kind}"


def grouped_json(group: "Group", of_hit: "Callable[[Hit], dict[str, Any]]") -> dict[str, Any]:
    """The best crop's facts with `others`, the facts of the rest."""
    return {**of_hit(group.best), "others": [of_hit(other) for other in group.others]}
