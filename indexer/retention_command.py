"""`cskt gallery retention | expire`: how long people are kept, and the erasing of who was kept longer."""

import argparse
import json
import re
from functools import partial
from typing import TYPE_CHECKING

from indexer.on_record import RecordItems, record_items
from model.terminal import terminal_safe

if TYPE_CHECKING:
    from datetime import datetime

    from indexer.errors import GalleryError
    from indexer.gallery import Gallery
    from indexer.items import Overdue

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}
_FOREVER = "forever"
_LONGEST = 100 * 366 * 86_400
_ALL_OTHERS = ""


def duration(text: str) -> int:
    """`36h`, `30d`, `8w` as seconds, `forever` as 0; argparse turns anything else into one sentence."""
    if text == _FOREVER:
        return 0
    found = re.fullmatch(r"([1-9][0-9]{0,8})([hdw])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 36h, 30d, 8w or {_FOREVER}")
    return seconds


def written(seconds: int) -> str:
    """A duration as `duration` reads it."""
    if not seconds:
        return _FOREVER
    unit = next(unit for unit in ("d", "h") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def add_retention(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt gallery retention` and `cskt gallery expire`."""
    rules = actions.add_parser("retention", help="show or set how long people are kept")
    change = rules.add_mutually_exclusive_group()
    change.add_argument("--set", type=duration, metavar="TIME", help="36h, 30d, 8w or forever")
    change.add_argument("--off", action="store_true", help="take the rule away")
    rules.add_argument("--camera", metavar="NAME", help="for this camera; default: for all others")
    rules.set_defaults(run=run_retention)
    expire = actions.add_parser(
        "expire",
        help="erase who is kept longer than the rules allow",
        description="An item's age counts from when it was seen, or else from when it was added.",
    )
    expire.add_argument("--dry-run", action="store_true", help="only count")
    expire.add_argument(
        "--yes", action="store_true", help="erase even most of the gallery, or a whole camera"
    )
    expire.set_defaults(run=run_expire)
    for action in (rules, expire):
        action.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")
        action.add_argument("--json", action="store_true", help="print as JSON")


def run_retention(arguments: argparse.Namespace) -> int:
    """Change a rule if asked to, then print all."""
    from indexer.errors import GalleryError
    from indexer.gallery import open_gallery

    if arguments.camera == _ALL_OTHERS:
        raise GalleryError("the name of the camera is empty: leave --camera out to mean all others.")
    changes = arguments.off or arguments.set is not None
    gallery = open_gallery(arguments.gallery, write=changes)
    try:
        if changes:
            gallery.set_retention(arguments.camera or _ALL_OTHERS, arguments.set)
        rules = gallery.retention()
    finally:
        gallery.close()
    if arguments.json:
        print(json.dumps({"retention_seconds": rules}))
        return 0
    for camera, seconds in rules.items():
        who = f"camera {camera}" if camera else "all others"
        print(terminal_safe(f"{who}: {written(seconds)}"))
    if not rules:
        print("no rule: everybody is kept until removed.")
    return 0


def run_expire(arguments: argparse.Namespace) -> int:
    """Erase what is overdue now; prints how many of each camera. GalleryError for cameras that were left."""
    from datetime import UTC, datetime

    from indexer.gallery import open_gallery

    now = datetime.now(UTC)
    gallery = open_gallery(arguments.gallery, write=not arguments.dry_run)
    try:
        before = partial(record_items, arguments)
        found, spared = expire(gallery, now, arguments.yes, arguments.dry_run, before)
        left, newest = len(gallery), gallery.newest()
    finally:
        gallery.close()
    if arguments.json:
        told = {"erased": not arguments.dry_run, "cameras": _told(found), "spared": _told(spared)}
        print(json.dumps({**told, "items": left}))
    else:
        for group in found:
            who = "without a camera" if group.camera is None else f"camera {group.camera}"
            print(terminal_safe(f"{who}: {len(group.ids)} of {group.items}"))
        done = "are overdue" if arguments.dry_run else "were overdue and are erased"
        print(f"{sum(len(group.ids) for group in found)} items {done}; the gallery holds {left}.")
    if spared:
        raise _too_much(f"everything of camera {_names(spared)} is overdue and was left", now, newest)
    return 0


def _told(groups: "list[Overdue]") -> list[dict[str, object]]:
    return [{"camera": group.camera, "overdue": len(group.ids), "items": group.items} for group in groups]


def _names(groups: "list[Overdue]") -> str:
    return terminal_safe(", ".join(str(group.camera) for group in groups))


def expire(
    gallery: "Gallery",
    now: "datetime",
    sure: bool,
    dry_run: bool = False,
    before: RecordItems = lambda ids: None,
) -> "tuple[list[Overdue], list[Overdue]]":
    """Erase what is overdue at `now`; returns that, and what is spared. `before` is given the ids.

    A clock that jumped ahead must not erase a gallery. So, unless `sure`, a camera of which everything is
    overdue is spared, and half of the gallery is a GalleryError.
    """
    found = gallery.overdue(now)
    if dry_run:
        return found, []
    spared = [] if sure else [group for group in found if group.camera is not None and _is_whole(group)]
    found = [group for group in found if group not in spared]
    ids, items = [id for group in found for id in group.ids], len(gallery)
    if 2 * len(ids) > items and not sure:
        raise _too_much(f"{len(ids)} of {items} items would be erased", now, gallery.newest())
    before(ids)
    gallery.remove_ids(ids, erase=True)
    return found, spared


def _is_whole(group: "Overdue") -> bool:
    return len(group.ids) == group.items


def _too_much(what: str, now: "datetime", newest: str | None) -> "GalleryError":
    from indexer.errors import GalleryError
    from indexer.times import iso

    return GalleryError(
        f"{what}: it is {iso(now)} by the clock, and the last item was added at {newest}. Say --yes if that "
        "is right."
    )
