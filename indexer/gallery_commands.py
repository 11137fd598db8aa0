"""`cskt gallery`: what a gallery holds, whether it is sound, its backups."""

import argparse
import json
from pathlib import Path

from indexer.migrate_command import add_migrate
from indexer.retention_command import add_retention
from model.terminal import terminal_safe

EXIT_PROBLEMS = 2


def add_gallery(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt gallery` with all its actions."""
    parser = subparsers.add_parser("gallery", help="look into a gallery, check it, back it up, restore it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="counts, sources, cameras and what was rejected")
    info.add_argument("--json", action="store_true", help="print as JSON")
    info.set_defaults(run=run_info)
    verify = actions.add_parser("verify", help="check everything; exit 2 if anything is wrong")
    verify.set_defaults(run=run_verify)
    compact = actions.add_parser(
        "compact",
        help="write index files and database anew, without what was removed; updates an older format",
    )
    add_kind_option(compact)
    compact.set_defaults(run=run_compact)
    for action in (info, verify, compact, *_add_backup(actions)):
        action.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")
    add_retention(actions)
    add_migrate(actions)


def add_kind_option(parser: argparse.ArgumentParser) -> None:
    """The option that chooses a gallery's kind of index."""
    parser.add_argument(
        "--index",
        metavar="KIND",
        help="kind of index from now on: auto (a new gallery's), exact, quantised, ivf, hnsw, or a FAISS "
        "factory string such as IVF4096,SQ8",
    )


def _add_backup(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    backup = actions.add_parser(
        "backup", help="write everything into one file, while others search and index"
    )
    backup.add_argument("file", metavar="FILE", help="the backup, outside of the gallery")
    backup.add_argument("--force", action="store_true", help="replace a file that is there")
    backup.set_defaults(run=run_backup)
    restore = actions.add_parser(
        "restore",
        help="put a backup back, without the people removed since",
        description="Makes the gallery what it was when the backup was made. A running service goes on and "
        "takes it up. Whom the gallery there, or a --ledger, knows as removed stays removed.",
    )
    restore.add_argument("file", metavar="FILE", help="what `cskt gallery backup` wrote")
    restore.add_argument(
        "--ledger",
        action="append",
        default=[],
        metavar="PATH",
        help="a newer backup, or another copy of the gallery, that knows who was removed; may be repeated",
    )
    restore.add_argument(
        "--force",
        action="store_true",
        help="also where newer items are lost by it, or where nothing knows who was removed since",
    )
    restore.set_defaults(run=run_restore)
    return backup, restore


def run_info(arguments: argparse.Namespace) -> int:
    """Print what a gallery holds."""
    from dataclasses import asdict

    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery)
    try:
        facts = asdict(gallery.stats())
        rejected = [{"uri": bad.uri, "reason": bad.reason} for bad in gallery.rejected(20)]
    finally:
        gallery.close()
    if arguments.json:
        print(json.dumps(facts | {"last_rejected": rejected}))
        return 0
    for name, value in facts.items():
        shown = (
            ", ".join(f"{key} ({count})" for key, count in value.items())
            if isinstance(value, dict)
            else value
        )
        print(terminal_safe(f"{name.replace('_', ' ')}: {'-' if shown in (None, '') else shown}"))
    for bad in rejected:
        print(terminal_safe(f"  rejected {bad['uri']}: {bad['reason']}"))
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check a gallery; prints each problem, exit 2 if there is any."""
    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery)
    try:
        problems = gallery.verify()
        items = len(gallery)
    finally:
        gallery.close()
    for problem in problems:
        print(terminal_safe(problem))
    if problems:
        return EXIT_PROBLEMS
    print(f"sound: {items} items, every row and index file checked.")
    return 0


def run_compact(arguments: argparse.Namespace) -> int:
    """Bring everything up to date, in format and in files, and give back what removed items took."""
    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery, write=True)
    try:
        before = gallery.stats().bytes_on_disk
        if arguments.index:
            gallery.use_kind(arguments.index)
        gallery.compact()
        stats = gallery.stats()
    finally:
        gallery.close()
    print(f"{stats.items} items in {_megabytes(stats.bytes_on_disk)} ({_megabytes(before)} before).")
    print(terminal_safe(f"index: {stats.index}."))
    return 0


def run_backup(arguments: argparse.Namespace) -> int:
    """Back up, and say what the file holds."""
    from indexer.gallery import local_folder
    from indexer.local.backup import back_up

    report = back_up(local_folder(arguments.gallery), Path(arguments.file), force=arguments.force)
    print(terminal_safe(f"{report.items} items in {report.file} ({_megabytes(report.size)}), checked."))
    return 0


def run_restore(arguments: argparse.Namespace) -> int:
    """Restore, and say what the gallery holds now."""
    from indexer.gallery import local_folder
    from indexer.local.backup import restore

    ledgers = [Path(path) for path in arguments.ledger]
    report = restore(Path(arguments.file), local_folder(arguments.gallery), ledgers, force=arguments.force)
    print(f"restored: the gallery holds {report.items} items; removed again: {report.removed_again}.")
    if not report.indexed:
        print("another process writes to the gallery already and will build its index files.")
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
