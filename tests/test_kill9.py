"""A writer killed by SIGKILL at any moment loses nothing it acknowledged, and doubles nothing later."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gallery_makers import assert_finds, index_files, make_item, make_items, queries, sql, writer
from killed_writer import BATCH, is_removed

from indexer.errors import GalleryMissing
from indexer.gallery import open_gallery

KILLS = 10
SCRIPT = Path(__file__).parent / "killed_writer.py"


@pytest.fixture
def writers(tmp_path):
    """A process that forks one writer per line sent to it."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, tmp_path / "g"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent.parent)},
    )
    with process:
        yield process
        process.stdin.close()


def acknowledged_until_killed(writers, chance):
    """Start a writer, kill it at a random moment, return how many items it had acknowledged."""
    print("go", file=writers.stdin, flush=True)
    word, pid = writers.stdout.readline().split()
    assert word == "writer"
    lines = [writers.stdout.readline() for _ in range(chance.randint(0, 9))]
    time.sleep(chance.random() * 0.03)  # not at the acknowledgement itself but anywhere in the work after it
    os.kill(int(pid), signal.SIGKILL)
    while not (line := writers.stdout.readline()).startswith("ended"):
        assert line, "the writers' process has died"
        lines.append(line)
    assert line.split() == ["ended", "by", "signal", str(signal.SIGKILL.value)]
    return max((int(line.split()[1]) for line in lines), default=0)


def stored_numbers(folder):
    """What the database holds, read by a plain client, in the order of the rows."""
    return [int(key.removeprefix("key-")) for (key,) in sql(folder, "SELECT key FROM item ORDER BY id")]


def assert_whole(numbers, acknowledged):
    """Nothing doubled; batches whole and in order; what was acknowledged is there or was removed in turn."""
    assert numbers == sorted(set(numbers))
    batches = (max(numbers, default=-1) + BATCH) // BATCH
    assert batches * BATCH >= acknowledged
    missing = set(range(batches * BATCH)) - set(numbers)
    removed = [batch * BATCH for batch in range(batches) if is_removed(batch)]
    # The removal after the very last batch may not have happened yet.
    assert missing in (set(removed), set(removed) - {(batches - 1) * BATCH})


def test_killed_again_and_again(tmp_path, writers):
    chance, folder, acknowledged = random.Random(20), tmp_path / "g", 0
    for _ in range(KILLS):
        acknowledged = max(acknowledged, acknowledged_until_killed(writers, chance))
        try:
            reader = open_gallery(folder)
        except GalleryMissing:
            assert acknowledged == 0
            continue
        numbers = stored_numbers(folder)
        assert_whole(numbers, acknowledged)
        assert reader.verify() == []
        assert_finds(reader, [make_item(number) for number in numbers], queries(acknowledged), 10)
        reader.close()
    assert acknowledged >= KILLS * BATCH

    gallery = writer(folder)
    stored = max(stored_numbers(folder)) + 1
    assert gallery.add(make_items(0, stored)) == 0
    assert gallery.add(make_items(stored, BATCH)) == BATCH
    gallery.build_generation()
    assert gallery.verify() == []
    left = {path.name for path in (folder / "segments").iterdir()}
    assert left == {name for row in sql(folder, "SELECT rows_file, facts_file FROM segment") for name in row}
    assert {path.name for path in index_files(folder)} <= left
    gallery.close()
