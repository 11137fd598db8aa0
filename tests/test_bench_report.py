"""What benchmarks say of figures: goals, ratios, tables, percentiles, and the memory of a process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from model.bench_report import measured, publish, resident_bytes, table
from model.errors import ConfigError
from service.bench_clients import percentile
from service.bench_data import sentences


def test_goals_hold_from_below_or_from_above() -> None:
    assert measured("rate", 40, "1/s", baseline=20, at_least=40) == measured(
        "rate", 40, "1/s", baseline=20, at_most=40
    )
    assert measured("rate", 39, "1/s", at_least=40).met is False
    assert measured("time", 41, "ms", at_most=40).met is False
    assert measured("time", 3, "ms", baseline=4).ratio == 0.75
    assert measured("time", 3, "ms").met is None
    with pytest.raises(ValueError, match="one goal"):
        measured("both", 1, "s", at_least=1, at_most=2)


def test_the_table_says_which_goals_are_met() -> None:
    results = [
        measured("rate", 50, "images/s", baseline=25, at_least=40),
        measured("time", 50, "ms", at_most=40),
        measured("floor", 123.456, "ms"),
    ]
    lines = [line.split() for line in table(results).splitlines()]
    assert lines == [
        ["measured", "unit", "baseline", "ratio", "goal"],
        ["rate", "50.00", "images/s", "25.00", "2.00", "40.00", "met"],
        ["time", "50.00", "ms", "-", "-", "40.00", "not", "met"],
        ["floor", "123.5", "ms", "-", "-", "-"],
    ]


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        publish([measured("rate", 1, "1/s")], tmp_path)


def test_resident_memory_is_what_the_system_says() -> None:
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    program = "import sys; block = b'x' * 200_000_000; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert 200e6 < resident_bytes(other.pid) < 300e6
        other.communicate()


def test_percentiles_are_values_that_were_measured() -> None:
    values = np.random.default_rng(3).exponential(size=123).tolist()
    for share in (1, 50, 95, 99, 100):
        assert percentile(values, share) == np.percentile(values, share, method="inverted_cdf")
    assert percentile([7.0], 50) == 7.0


def test_queries_are_varied_and_always_the_same() -> None:
    asked = sentences(300)
    assert asked == sentences(300)
    assert len(set(asked)) > 290
