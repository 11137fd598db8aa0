"""Types of command-line arguments that several commands share."""

import argparse


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
