"""A writer killed by SIGKILL at any moment loses nothing it acknowledged, and doubles nothing later."""

from extent import extent
from kills import kills

KILLS = extent(100, 1000)


def test_killed_again_and_again(workers, place, count):
    count(kills=KILLS)
    assert kills(workers, place, 20, KILLS) == []
