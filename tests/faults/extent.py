"""How much is tried: the quick part belongs to `make test`, the long one to `make faults`."""

import os

LONG = os.environ.get("CSKT_FAULTS") == "long"


def extent(quick, long):
    """The figure that belongs to this run."""
    return long if LONG else quick
