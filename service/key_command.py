"""cskt key create | list | revoke: who may ask a service, and for what."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.keys import Key, KeyStore
    from service.settings import Settings


def add_key_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt key`."""
    key = commands.add_parser("key", help="keys of the service: create, list, revoke", description=__doc__)
    actions = key.add_subparsers(title="actions", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make a key and show it, once", description=run_create.__doc__)
    create.add_argument("--name", required=True, help="whose it is, for lists and the audit log")
    create.add_argument(
        "--scopes", required=True, metavar="A,B", help="of search, index, erase, audit, admin, metrics"
    )
    create.add_argument("--cameras", metavar="A,B", help="it sees these cameras only (default: all)")
    create.add_argument("--expires", metavar="TIME", help="90d, 12h, ... from now (default: never)")
    add_place(create)
    create.set_defaults(run=run_create)

    listing = actions.add_parser("list", help="the keys there are", description=run_list.__doc__)
    add_place(listing)
    listing.set_defaults(run=run_list)

    revoke = actions.add_parser("revoke", help="make a key good for nothing", description=run_revoke.__doc__)
    revoke.add_argument("id", help="as cskt key list shows it")
    add_place(revoke)
    revoke.set_defaults(run=run_revoke)


def run_create(arguments: argparse.Namespace) -> int:
    """Make a key. It is shown now and never again; only a hash of it is kept."""
    from service.audit.command_line import record_action
    from service.keys import KeyProblem
    from service.scopes import Scope

    try:
        scopes = [Scope(name.strip()) for name in arguments.scopes.split(",") if name.strip()]
    except ValueError:
        raise KeyProblem(f"{arguments.scopes} are no scopes: choose of {', '.join(Scope)}.") from None
    cameras = names_of(arguments.cameras)
    settings, store = _opened(arguments)
    casework = settings.profile == "casework"
    key, text = store.create(arguments.name, scopes, cameras, end_of(arguments.expires), casework=casework)
    record_action(settings.state_folder, "key create", _facts(key))
    print(text)
    until = f" until {key.expires}" if key.expires else ""
    seen = f", cameras {', '.join(key.cameras)}" if key.cameras else ""
    print(f"Key {key.id} of {key.name}: {', '.join(key.scopes)}{seen}{until}. It is not shown again.")
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    """Show every key: id, scopes, cameras, end, name."""
    from model.terminal import terminal_safe
    from service.keys import now

    _, store = _opened(arguments)
    moment = now()
    for key in store.all():
        state = "revoked" if key.revoked else "good" if key.good(moment) else "expired"
        cameras = ",".join(key.cameras) if key.cameras else "all cameras"
        facts = (key.id, state, ",".join(key.scopes), cameras, key.expires or "no end", key.name)
        print(terminal_safe("  ".join(facts)))
    return 0


def run_revoke(arguments: argparse.Namespace) -> int:
    """Make a key good for nothing, within a second also in services that run."""
    from model.terminal import terminal_safe
    from service.audit.command_line import record_action

    settings, store = _opened(arguments)
    key = store.revoke(arguments.id)
    record_action(settings.state_folder, "key revoke", _facts(key))
    print(terminal_safe(f"Key {key.id} of {key.name} is revoked."))
    return 0


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say whose keys or cases are meant."""
    parser.add_argument("--gallery", metavar="G", help="the gallery whose service it is (CSKT_GALLERY)")
    parser.add_argument(
        "--state", metavar="FOLDER", help="where they are kept (CSKT_STATE; default: G.state)"
    )


def settings_of(arguments: argparse.Namespace) -> "Settings":
    """The settings of the service that is meant. Raises ServeError when none is named."""
    from service.errors import ServeError
    from service.settings import read_settings

    settings = read_settings({"gallery": arguments.gallery, "state": arguments.state})
    if not settings.gallery and not settings.state:
        raise ServeError("Of which service? Give --gallery FOLDER or --state FOLDER.")
    return settings


def names_of(text: str | None) -> list[str]:
    """`a, b` as names."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _opened(arguments: argparse.Namespace) -> "tuple[Settings, KeyStore]":
    from service.keys import KeyStore

    settings = settings_of(arguments)
    return settings, KeyStore(settings.state_folder)


def _facts(key: "Key") -> dict[str, object]:
    """What the audit log is to know of a key."""
    cameras = ",".join(key.cameras) if key.cameras else "all"
    facts = {"id": key.id, "name": key.name, "scopes": ",".join(key.scopes), "cameras": cameras}
    return {**facts, "expires": key.expires or "never"}


def end_of(text: str | None) -> str | None:
    """`30d` from now as a time. Raises KeyProblem."""
    from service.keys import KeyProblem

    if text is None:
        return None
    units = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    number, unit = text[:-1], units.get(text[-1:])
    if unit is None or not number.isdecimal() or not 0 < int(number) < 100_000:
        raise KeyProblem(f"{text} is no time: write 90d, 12h, 30m or 10s.")
    end = datetime.now(UTC) + timedelta(**{unit: int(number)})
    return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
