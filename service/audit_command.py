"""cskt audit verify | show | export | head: is the log as it was written, and what does it say."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.audit.places import Places
    from service.audit.reading import Wanted

EXIT_TAMPERED = 2


def add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount the commands about the audit log."""
    audit = commands.add_parser("audit", help="who searched for whom: check the log, read it, take it out")
    actions = audit.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="find any edit, removal, reordering; exit 2 if there is one")
    verify.add_argument("--head", metavar="FILE", help="what `cskt audit head` once printed, kept elsewhere")
    verify.set_defaults(run=run_verify)
    show = actions.add_parser("show", help="print records for people to read")
    show.set_defaults(run=run_show)
    export = actions.add_parser("export", help="print records as JSON lines or CSV")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    export.set_defaults(run=run_export)
    head = actions.add_parser("head", help="print where the log ends now, to be kept elsewhere")
    head.set_defaults(run=run_head)
    for action in (verify, show, export, head):
        where = action.add_mutually_exclusive_group()
        where.add_argument("--gallery", metavar="G", help="the gallery whose log it is (CSKT_GALLERY)")
        where.add_argument("--state", metavar="DIR", help="its state folder (CSKT_STATE)")
    for action in (show, export):
        action.add_argument("--since", metavar="TIME", help="from this time on (ISO 8601)")
        action.add_argument("--until", metavar="TIME", help="before this time")
        action.add_argument("--key", metavar="ID", help="by this key")
        action.add_argument("--case", metavar="CASE", help="in this case")
        action.add_argument("--action", metavar="NAME", help="search, view, ...")


def run_verify(arguments: argparse.Namespace) -> int:
    """Say what is wrong, or how many records hold."""
    from model.errors import ConfigError
    from service.audit.verifier import check_files

    places = _places(arguments)
    try:
        kept = Path(arguments.head) if arguments.head else None
        found = check_files(places.books, places.key_file, places.heads, kept)
    except ValueError as error:
        raise ConfigError(f"The file {places.key_file} holds no key of an audit log.") from error
    for problem in found.problems:
        print(f"cskt: {problem}", file=sys.stderr)
    for note in found.notes:
        print(note)
    if found.problems:
        print("The log is NOT as it was written.")
        return EXIT_TAMPERED
    print(f"{found.records} records hold.")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """One line a record, in the order of time."""
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action
    from service.audit.reading import place_of, records

    places, wanted = _places(arguments), _wanted(arguments)
    record_action(places.books.parent, "audit", {"command": "show"})
    for record in sorted(records(places, wanted), key=place_of):
        print(terminal_safe(_sentence(record)))
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """All fields of all records."""
    import csv
    import json

    from service.audit.command_line import record_action
    from service.audit.reading import place_of, records

    places, wanted = _places(arguments), _wanted(arguments)
    record_action(places.books.parent, "audit", {"command": "export"})
    found = sorted(records(places, wanted), key=place_of)
    if arguments.format == "jsonl":
        for record in found:
            print(json.dumps(record))
        return 0
    names = list(found[0]) if found else []
    table = csv.DictWriter(sys.stdout, names, restval="", extrasaction="ignore")
    table.writeheader()
    for record in found:
        table.writerow({name: _cell(value) for name, value in record.items()})
    return 0


def run_head(arguments: argparse.Namespace) -> int:
    """One JSON line a book."""
    import json
    from dataclasses import asdict

    from service.audit.places import read_key

    places = _places(arguments)
    for head in places.heads_now(read_key(places.key_file)):
        print(json.dumps(asdict(head)))
    return 0


def _places(arguments: argparse.Namespace) -> "Places":
    """Where the log is. Raises ConfigError when none is named or there is none."""
    from model.errors import ConfigError
    from service.audit.command_line import places_of

    gallery = arguments.gallery or os.environ.get("CSKT_GALLERY", "")
    named = arguments.state or (not arguments.gallery and os.environ.get("CSKT_STATE"))
    if not named and not gallery:
        raise ConfigError("No log is named; give --gallery FOLDER or --state FOLDER.")
    folder = Path(named or f"{gallery.removeprefix('local:').rstrip('/')}.state")
    places = places_of(folder)
    if not places.books.is_dir():
        raise ConfigError(f"There is no audit log in {folder}; name the right folder with --state.")
    return places


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    """The filter. Raises ConfigError for a time that is none."""
    from indexer.times import to_utc
    from model.errors import ConfigError
    from service.audit.reading import Wanted

    try:
        since, until = (text and to_utc(text) for text in (arguments.since, arguments.until))
    except (ValueError, OverflowError) as error:
        raise ConfigError("--since and --until take times such as 2026-05-01T12:00:00Z.") from error
    return Wanted(since, until, arguments.key, arguments.case, arguments.action)


def _sentence(record: dict[str, Any]) -> str:
    who = f"{record['name']} {record['key']}".strip()
    why = f"case {record['case']} for {record['purpose']}" if record["case"] or record["purpose"] else ""
    shown = f"shown {len(record['shown'])}: {record['shown']}" if record["shown"] else ""
    refused = f"refused: {record['refusal']}" if record["refusal"] else ""
    said = [
        record["at"],
        record["action"],
        f"by {who}",
        why,
        repr(record["words"]) if record["words"] else "",
    ]
    return "  ".join(part for part in [*said, record["filter"], shown, refused] if part)


def _cell(value: object) -> object:
    """As a table takes it; a leading sign that a spreadsheet would run as a formula is disarmed."""
    import json

    if isinstance(value, list | dict):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
