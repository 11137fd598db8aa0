"""Types of command-line arguments that several commands share."""

import argparse


def count(text: str) -> int:
    """A whole number of at least 1; argparse turns anything else into one sentence."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)
