"""cskt case open | list | extend | close | report | forget: what may be searched for, and what came of it."""

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.key_command import add_place, end_of, names_of

if TYPE_CHECKING:
    from service.casework.cases import Case, CaseStore
    from service.settings import Settings


def add_case_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt case`."""
    told = "cases: open, list, extend, close, report, forget"
    case = commands.add_parser("case", help=told, description=__doc__)
    actions = case.add_subparsers(title="actions", metavar="ACTION", required=True)

    begin = _action(actions, "open", "begin a case", run_case_open)
    begin.add_argument("--id", required=True, help="its name, as searches will give it")
    begin.add_argument("--basis", required=True, help="on which ground: a warrant, a report, ...")
    begin.add_argument("--expires", required=True, metavar="TIME", help="30d, 12h, ... from now")
    begin.add_argument("--cameras", metavar="A,B", help="of these cameras only (default: all)")
    begin.add_argument("--keys", metavar="ID,ID", help="for these keys only (default: all)")
    _action(actions, "list", "the cases there are", run_case_list)
    extend = _action(actions, "extend", "give a case another end", run_case_extend)
    extend.add_argument("id", help="its name")
    extend.add_argument("--expires", required=True, metavar="TIME", help="30d, 12h, ... from now")
    report = _action(actions, "report", "the file of a case, to be printed", run_case_report)
    report.add_argument("id", help="its name; it may be closed or over")
    report.add_argument("--to", required=True, metavar="FILE", help="the page (HTML) to be written")
    _action(actions, "forget", "erase a closed case's file", run_case_forget).add_argument(
        "id", help="its name"
    )
    _action(actions, "close", "end a case", run_case_close).add_argument("id", help="its name")


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    told: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """The parser of one action, which knows the place of the cases; its description is what `run` says."""
    parser = actions.add_parser(name, help=told, description=run.__doc__)
    add_place(parser)
    parser.set_defaults(run=run)
    return parser


def run_case_open(arguments: argparse.Namespace) -> int:
    """Open a case; keys that may work on it can search for it until it expires or is closed."""
    from service.audit.command_line import record_action

    settings, store = _opened(arguments)
    end = end_of(arguments.expires)
    assert end is not None
    case = store.begin(
        arguments.id, arguments.basis, end, names_of(arguments.cameras), names_of(arguments.keys)
    )
    record_action(settings.state_folder, "case open", _facts(case))
    print(f"The case {case.id} is open until {case.expires}.")
    return 0


def run_case_list(arguments: argparse.Namespace) -> int:
    """Show every case: name, state, end, ground."""
    from model.terminal import terminal_safe
    from service.keys import now

    _, store = _opened(arguments)
    for case in store.all():
        state = "closed" if case.closed else "expired" if now() >= case.expires else "open"
        cameras = ",".join(case.cameras) if case.cameras else "all cameras"
        print(terminal_safe("  ".join((case.id, state, case.expires, cameras, case.basis))))
    return 0


def run_case_close(arguments: argparse.Namespace) -> int:
    """Close a case, within a second also in services that run."""
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action

    settings, store = _opened(arguments)
    case = store.end(arguments.id)
    record_action(settings.state_folder, "case close", _facts(case))
    print(terminal_safe(f"The case {case.id} is closed."))
    return 0


def run_case_extend(arguments: argparse.Namespace) -> int:
    """Let a case go on until another time, also one that is over; one that was closed stays closed."""
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action

    settings, store = _opened(arguments)
    end = end_of(arguments.expires)
    assert end is not None
    case = store.extend(arguments.id, end)
    record_action(settings.state_folder, "case extend", _facts(case))
    print(terminal_safe(f"The case {case.id} is open until {case.expires}."))
    return 0


def run_case_report(arguments: argparse.Namespace) -> int:
    """Write the file of a case as a page to print, with pictures; the case may be closed or over."""
    from model.errors import ConfigError
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action
    from service.errors import ServeError

    settings, store = _opened(arguments)
    case = store.known(arguments.id)
    if not settings.gallery:
        raise ServeError("The pictures are in the gallery: give --gallery FOLDER.")
    page, shown = _report(settings, case)
    record_action(settings.state_folder, "report", _facts(case), shown=shown)
    try:
        with os.fdopen(os.open(arguments.to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(page)
    except OSError as error:
        raise ConfigError(f"{arguments.to} cannot be written: {error.strerror}.") from error
    print(terminal_safe(f"The file of the case {case.id} is in {arguments.to}."))
    return 0


def _report(settings: "Settings", case: "Case") -> tuple[bytes, list[int]]:
    """The page, and the ids of the rows that it shows: none but of the cameras of the case."""
    from contextlib import closing

    from indexer.gallery import open_gallery
    from service.audit.command_line import system_user
    from service.casework.answers import case_answer, rows_open_to
    from service.casework.case_file import case_file
    from service.casework.desk import CONFIRMING, people_needed_in
    from service.casework.entries import Entries
    from service.labels import encoder_label
    from service.printed.case_report import case_report
    from service.scopes import LOCAL

    needed = people_needed_in(settings.state_folder) or CONFIRMING[settings.profile]
    reader = LOCAL.within(case.cameras)
    with closing(open_gallery(settings.gallery)) as gallery, closing(Entries(settings.state_folder)) as kept:
        file = case_file(kept.of_case(case.id), needed, gallery.get)
        rows = rows_open_to(file, reader)
        found = {id: gallery.thumbnail(id) for id in rows}
        encoder = encoder_label(gallery.stats().encoder)
    pictures = {id: picture for id, picture in found.items() if picture is not None}
    answer = case_answer(case, file, reader, rows, needed)
    page = case_report(answer, pictures, system_user(), encoder=encoder, closed=case.closed)
    return page, list(pictures)


def run_case_forget(arguments: argparse.Namespace) -> int:
    """Erase the pins, notes and decisions of a case that is closed or over. Its name stays taken."""
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action
    from service.casework.cases import CaseProblem
    from service.casework.entries import Entries
    from service.keys import now

    settings, store = _opened(arguments)
    case = store.known(arguments.id)
    if case.open_at(now()):
        raise CaseProblem(f"the case {case.id} is open: close it first, cskt case close {case.id}.")
    record_action(settings.state_folder, "case forget", _facts(case))
    entries = Entries(settings.state_folder)
    erased = entries.forget(case.id)
    entries.close()
    print(terminal_safe(f"{erased} entries of the case {case.id} are erased."))
    return 0


def _opened(arguments: argparse.Namespace) -> "tuple[Settings, CaseStore]":
    from service.casework.cases import CaseStore
    from service.key_command import settings_of

    settings = settings_of(arguments)
    return settings, CaseStore(settings.state_folder)


def _facts(case: "Case") -> dict[str, object]:
    """What the audit log is to know of a case."""
    return {
        "id": case.id,
        "basis": case.basis,
        "expires": case.expires,
        "cameras": ",".join(case.cameras or ("all",)),
        "keys": ",".join(case.keys or ("all",)),
    }
