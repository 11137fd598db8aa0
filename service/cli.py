"""The root of the `cskt` command: mounts each package's commands and turns errors into one sentence.

Nothing heavy is imported here or in any commands.py at module level, so `cskt --help` answers at once.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from indexer.commands import add_commands as add_indexer_commands
from model.commands import add_commands as add_model_commands
from model.errors import CsktError
from model.terminal import terminal_safe
from service.audit.command_line import recorded
from service.commands import add_commands as add_service_commands
from service.evaluate_decisions import add_from_decisions

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Takes options by their whole names only, as do its sub-parsers: `--to` is none, and no `--top-k`."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 (argparse's own)
        super().__init__(**options, allow_abbrev=False)


def build_parser() -> argparse.ArgumentParser:
    """The whole command tree. Each sub-parser sets `run`, a function of the parsed namespace, and
    `when_interrupted`, what is said after Ctrl-C, where it keeps nothing to go on with."""
    parser: argparse.ArgumentParser = Parser(
        prog="cskt", description="Find a person in a gallery of images from a sentence."
    )
    parser.set_defaults(when_interrupted="what was stored is kept, run the command again to go on.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_indexer_commands(commands)
    add_service_commands(commands)
    add_model_commands(commands)
    add_from_decisions(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 on bad input (one sentence on stderr), 130 after Ctrl-C."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(recorded(arguments) or 0)
    except CsktError as error:
        print(f"cskt: {terminal_safe(str(error))}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"cskt: interrupted; {arguments.when_interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `cskt ... | head`: the reader has gone, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"cskt: {_sentence(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT


def _sentence(error: OSError) -> str:
    """What the system refused and where; a full disk is the one with a remedy of its own."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full while writing{where}; free some space and run the command again."
    return f"the system refused{where}: {error.strerror or error}; check the name and the permissions."


if __name__ == "__main__":
    sys.exit(main())
