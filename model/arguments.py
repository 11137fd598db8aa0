"""Types of command-line arguments that several commands share."""

import argparse

from model.errors import ConfigError


def count(text: str) -> int:
    """A whole number of at least 1; argparse turns anything else into one sentence."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def add_form_options(parser: argparse.ArgumentParser) -> None:
    """Where and in which precision an encoder runs."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--precision",
        default="auto",
        help="float32, bfloat16, float16 or int8; default: the quickest that cskt export has proven for this "
        "encoder, else float32",
    )


def add_example_options(parser: argparse.ArgumentParser, purpose: str, people: int, pictures: str) -> None:
    """On whom something is measured: a data set, or `people` synthetic people, so many `pictures` of each."""
    add = parser.add_argument
    add(
        "--data",
        metavar="NAME[:PATH]",
        help=f"{purpose} this data set, as cskt evaluate does (default: on synthetic people)",
    )
    add("--split", choices=("train", "val", "test"), help=f"of --data, to {purpose} (default: test)")
    add(
        "--people",
        type=count,
        metavar="N",
        help=f"synthetic people to {purpose}, {pictures} pictures each (default: {people})",
    )


def check_example_options(arguments: argparse.Namespace) -> None:
    """Fill in the split. Raises ConfigError for people of both kinds, and for a split of nothing."""
    if arguments.data is not None and arguments.people is not None:
        raise ConfigError("--people is for synthetic people, and --data for your own: leave one out.")
    if arguments.data is None and arguments.split is not None:
        raise ConfigError("--split is of a data set: name it with --data, or leave --split out.")
    arguments.split = arguments.split or "test"
