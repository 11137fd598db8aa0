"""`cskt gallery retention | expire`: how long people are kept, and the erasing of who was kept longer."""

import argparse
import json
import re
from typing import TYPE_CHECKING

from model.terminal import terminal_safe

if TYPE_CHECKING:
    from datetime import datetime

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
    """Erase what is overdue now; prints how many of each camera."""
    from datetime import UTC, datetime

    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery, write=not arguments.dry_run)
    try:
        found = expire(gallery, datetime.now(UTC), arguments.yes, arguments.dry_run)
        left = len(gallery)
    finally:
        gallery.close()
    if arguments.json:
        cameras = [
            {"camera": group.camera, "overdue": len(group.ids), "items": group.items} for group in found
        ]
        print(json.dumps({"erased": not arguments.dry_run, "cameras": cameras, "items": left}))
        return 0
    for group in found:
        who = "without a camera" if group.camera is None else f"camera {group.camera}"
        print(terminal_safe(f"{who}: {len(group.ids)} of {group.items}"))
    done = "are overdue" if arguments.dry_run else "were overdue and are erased"
    print(f"{sum(len(group.ids) for group in found)} items {done}; the gallery holds {left}.")
    return 0


def expire(gallery: "Gallery", now: "datetime", sure: bool, dry_run: bool = False) -> "list[Overdue]":
    """Erase what is overdue at `now`; GalleryError if that is suspiciously much, unless `sure`."""
    found = gallery.overdue(now)
    if dry_run:
        return found
    if not sure:
        _refuse_too_much(gallery, found, now)
    gallery.remove_ids([id for group in found for id in group.ids], erase=True)
    return found


def _refuse_too_much(gallery: "Gallery", found: "list[Overdue]", now: "datetime") -> None:
    """A clock that jumped ahead must not erase a gallery."""
    from indexer.errors import GalleryError
    from indexer.times import iso

    count, items = sum(len(group.ids) for group in found), len(gallery)
    whole = [group.camera for group in found if group.camera is not None and len(group.ids) == group.items]
    if 2 * count <= items and not whole:
        return
    cameras = f", everything of camera {terminal_safe(', '.join(whole))} among them" if whole else ""
    raise GalleryError(
        f"{count} of {items} items would be erased{cameras}: it is {iso(now)} by the clock, and the last "
        f"item was added at {gallery.newest()}. Say --yes if that is right."
    )
