"""`cskt remove`: people out of a gallery for good, chosen by what is known of them."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from indexer.filter_options import add_filter_options, filter_of, warn_of_missing
from indexer.on_record import record_items
from model.terminal import terminal_safe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from indexer.gallery import Gallery
    from indexer.items import GalleryItem


def add_remove(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt remove`."""
    parser = subparsers.add_parser(
        "remove",
        help="remove people from a gallery for good",
        description="Removes the items for which everything that is given holds; they are never indexed "
        "again. With --erase no trace of them, or of anyone removed before, is left in the gallery's folder "
        "but a hash of each key, by which they stay removed when an older backup is restored.",
    )
    parser.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")
    parser.add_argument("--id", action="append", type=int, metavar="N", help="this item; may be repeated")
    parser.add_argument("--key", action="append", metavar="KEY", help="the item of this key; may be repeated")
    add_filter_options(parser)
    parser.add_argument("--all", action="store_true", help="every item there is")
    parser.add_argument("--erase", action="store_true", help="leave no trace; writes the database anew")
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=run_remove)


def run_remove(arguments: argparse.Namespace) -> int:
    """Choose, ask, remove. What was chosen is removed, even if more would be chosen by then."""
    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery)
    try:
        ids, items = _chosen(gallery, arguments).tolist(), len(gallery)
        if arguments.dry_run:
            record_items(arguments, ids)
            _print_chosen(gallery, ids, items, arguments.json)
            return 0
    finally:
        gallery.close()
    what = f"{len(ids)} of {items} items"
    if ids and not arguments.yes and not _agreed(f"{what} will be removed for good", arguments.erase):
        print("nothing was removed.", file=sys.stderr)
        return 0
    gallery = open_gallery(arguments.gallery, write=True)
    try:
        by_key = arguments.erase and arguments.key and not arguments.id and filter_of(arguments) is None
        record_items(arguments, gallery.ids_of(arguments.key) if by_key else ids)
        if by_key:
            removed = gallery.remove(arguments.key, erase=True)  # also what was only rejected
        else:
            removed = gallery.remove_ids(ids, erase=arguments.erase)
        left = len(gallery)
    finally:
        gallery.close()
    if arguments.json:
        print(json.dumps({"removed": removed, "erased": arguments.erase, "items": left}))
    else:
        erased = "erased: no trace is left of them, or of anyone removed before"
        how = erased if arguments.erase else "removed"
        print(f"{removed} of {items} items {how}; the gallery holds {left}.")
    return 0


def _chosen(gallery: "Gallery", arguments: argparse.Namespace) -> "npt.NDArray[np.int64]":
    """The ids for which every choice holds, ascending."""
    import numpy as np

    from indexer.errors import GalleryError

    where = filter_of(arguments)
    given = arguments.id or arguments.key or where is not None
    if bool(given) == arguments.all:
        raise GalleryError(
            "--all does not go with other choices: leave it out, or them."
            if given
            else "say what to remove: --id, --key, --camera, --track, --source, --from, --until, --where, "
            "or --all."
        )
    warn_of_missing(gallery, where)
    ids = gallery.ids(where)
    if arguments.id:
        ids = np.intersect1d(ids, arguments.id)
    if arguments.key:
        ids = np.intersect1d(ids, gallery.ids_of(arguments.key))
    return ids


def _agreed(what: str, erase: bool) -> bool:
    """Whether the person at the terminal says yes; GalleryError if there is none."""
    from indexer.errors import GalleryError

    what = f"{what}, without a trace" if erase else what
    if not sys.stdin.isatty():
        raise GalleryError(f"{what}: say --yes if that is meant, or --dry-run to see them.")
    print(f"{what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_chosen(gallery: "Gallery", ids: list[int], items: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ids": ids, "items": items}))
        return
    for id in ids:
        item = gallery.get(id)
        if item is not None:
            print(terminal_safe(f"{id:8d}  {_line(item)}"))
    print(f"{len(ids)} of {items} items would be removed.")


def _line(item: "GalleryItem") -> str:
    track = f"track {item.track}" if item.track else None
    return "  ".join(fact for fact in (item.camera, item.seen_at, track, item.uri) if fact)
