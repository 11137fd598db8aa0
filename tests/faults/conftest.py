"""Lets these tests import the modules beside this file, shares their workers, and sums up what was tried."""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from extent import LONG
from launcher import Worker
from shim import compile_shim, compiler

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2**30
MOST_WORKERS = 4
COUNTED = "faults"

_totals = Counter()


@pytest.fixture
def place(tmp_path):
    """A folder in memory where there is one: what a kill or a failing call leaves is the same there."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="cskt-faults-") as folder:
            yield Path(folder)
    else:
        yield tmp_path


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The compiled shim."""
    if not sys.platform.startswith("linux") or compiler() is None:
        pytest.skip(
            "needs Linux and a C compiler to fail and record file calls: apt-get install gcc libc6-dev"
        )
    return compile_shim(tmp_path_factory.mktemp("shim"))


def _several(make):
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(make()) for _ in range(min(os.cpu_count() or 1, MOST_WORKERS))]


@pytest.fixture(scope="session")
def workers():
    """Worker processes, one for each core."""
    yield from _several(Worker)


@pytest.fixture(scope="session")
def watched_workers(shim):
    """Worker processes that the shim looks after, one for each core."""
    yield from _several(lambda: Worker(shim))


@pytest.fixture
def count(record_property):
    """Called with what was tried and how often, for the summary."""
    return lambda **tried: record_property(COUNTED, tried)


def pytest_runtest_logreport(report):
    """Collect what the tests counted, also from other processes of pytest-xdist."""
    if report.when == "teardown":
        for name, tried in report.user_properties:
            if name == COUNTED:
                _totals.update(tried)


def pytest_terminal_summary(terminalreporter):
    """One line, and the same as JSON in the file named by CSKT_FAULTS_JSON."""
    if not _totals:
        return
    figures = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in sorted(_totals.items()))
    terminalreporter.write_line(f"faults ({'long' if LONG else 'quick'}): {figures}")
    if file := os.environ.get("CSKT_FAULTS_JSON"):
        Path(file).write_text(json.dumps({"long": LONG, **_totals}, indent=1) + "\n", "utf-8")
