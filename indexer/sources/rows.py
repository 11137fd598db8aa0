"""What a row about an image means, whether it comes from a manifest or from inside a shard.

Known columns: `key` (an attribute in shards), `camera`, `seen_at`, `track`, `box`, and `path`, which is for
the reader; each further column becomes an attribute, a text, a number, true or false. Nulls and empty texts
are left out.
"""

import math
import re
from collections.abc import Mapping

from indexer.items import AttributeValue, Box, GalleryItem
from indexer.texts import storable
from indexer.times import to_utc

KNOWN_COLUMNS = ("path", "key", "camera", "seen_at", "track", "box")
NUMBER = re.compile(r"-?((0|[1-9]\d{0,14})(\.\d+)?|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_LONGEST_SHOWN = 40
Row = Mapping[str, object]


class RowError(Exception):
    """Why one row cannot be used, as one sentence."""


def item_of(row: Row, uri: str, source: str, needs_key: bool = False) -> GalleryItem:
    """The item of one row about the image at `uri`; raises RowError.

    Without a `key` its key is the uri, with its box where it has one; `needs_key`: the uri does not tell this
    image from others.
    """
    box = read_box(row.get("box"))
    try:
        seen_at = _moment(row.get("seen_at"))
    except ValueError as error:
        raise RowError(f"column seen_at: {error}.") from error
    fragment = (
        f"#xywh={box.left:g},{box.top:g},{box.right - box.left:g},{box.bottom - box.top:g}" if box else ""
    )
    key = text_of(row, "key")
    if key is None and needs_key:
        raise RowError("an address with a query needs a key of its own, as queries are not kept.")
    return GalleryItem(
        key=key or uri + fragment,
        uri=uri,
        source=source,
        box=box,
        camera=text_of(row, "camera"),
        seen_at=seen_at,
        track=text_of(row, "track"),
        attributes={
            storable(name): _attribute(name, row[name]) for name in row if _is_attribute(name, row[name])
        },
    )


def typed(cell: str) -> AttributeValue:
    """What a CSV cell says: a number, true, false, or text."""
    text = cell.strip()
    if text in ("true", "false"):
        return text == "true"
    if not NUMBER.fullmatch(text):
        return text
    number = int(text) if text.lstrip("-").isdigit() else float(text)
    return number if math.isfinite(number) else text


def read_box(value: object) -> Box | None:
    """`left,top,right,bottom`, a JSON list in text, or a list of four numbers; raises RowError."""
    if value is None or value == "":
        return None
    problem = RowError(f"column box: {value!r} is no box; write left,top,right,bottom in pixels.")
    parts = value.strip().strip("[]()").replace(";", ",").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 4:
        raise problem
    try:
        left, top, right, bottom = (float(part) for part in parts)
    except (TypeError, ValueError, OverflowError):
        raise problem from None
    if not all(math.isfinite(side) for side in (left, top, right, bottom)) or right <= left or bottom <= top:
        raise problem
    return Box(left, top, right, bottom)


def text_of(row: Row, name: str) -> str | None:
    """A column that holds a text or a number, as text; raises RowError."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"column {name}: {value!r} is no text.")
    return storable(str(value))


def _moment(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no time")
    return to_utc(value)


def _is_attribute(name: str, value: object) -> bool:
    return bool(name) and name not in KNOWN_COLUMNS and value is not None and value != ""


def _attribute(name: str, value: object) -> AttributeValue:
    if isinstance(value, str):
        return storable(value)
    if (
        isinstance(value, bool)
        or (isinstance(value, int) and abs(value) < 2**63)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    if isinstance(value, int | float):
        shown = f"{str(value)[:_LONGEST_SHOWN]}{'...' * (len(str(value)) > _LONGEST_SHOWN)}"
        raise RowError(
            f"column {name}: {shown} is no number that can be stored; leave it out or make it a text."
        )
    raise RowError(f"column {name}: an attribute is a text, a number, true or false.")
