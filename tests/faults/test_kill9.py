"""A writer killed by SIGKILL at any moment loses nothing it acknowledged, and doubles nothing later."""

from extent import extent
from kills import kills
from launcher import Worker


def test_killed_again_and_again(tmp_path, record_property):
    count = extent(100, 1000)
    with Worker() as worker:
        assert kills(worker, tmp_path, 20, count) == []
    record_property("kills", count)
