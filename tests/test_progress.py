"""Progress without a terminal: plain lines with count, rate and time left."""

import io
import re

from model.progress import Progress


def test_plain_lines_count_up_and_end_with_the_elapsed_time():
    stream = io.StringIO()
    with Progress("indexing", total=10, unit="crops", interval=0.0, stream=stream) as progress:
        progress.advance(4)
        progress.advance(6, note="2 rejected")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2, "the end is told once"
    assert re.fullmatch(r"indexing: 4/10 crops, [\d.]+/s, ETA 0:00:\d\d", lines[0])
    assert re.fullmatch(r"indexing: 10/10 crops, [\d.]+/s, 0:00:\d\d elapsed, 2 rejected", lines[-1])


def test_what_an_earlier_run_had_done_counts_for_no_rate():
    stream = io.StringIO()
    with Progress("training", total=100, unit="steps", interval=1e9, stream=stream, start=90) as progress:
        assert re.fullmatch(r"training: 90/100 steps, 0\.0/s, 0:00:00 elapsed", progress.line())
        progress.advance(1)
        assert re.match(r"training: 91/100 steps, [\d.]+/s, ETA", progress.line())


def test_an_unknown_total_promises_no_end():
    stream = io.StringIO()
    with Progress("indexing", interval=1e9, stream=stream) as progress:
        progress.advance(3)
        assert stream.getvalue() == ""
    assert re.fullmatch(r"indexing: 3 items, [\d.]+/s, 0:00:\d\d elapsed", stream.getvalue().strip())
