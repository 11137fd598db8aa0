"""What was acknowledged survives a power cut: computed from recorded calls, and real."""

import pytest
from extent import extent
from loop_disk import FILE_SYSTEMS, LoopDisk, missing
from power_cuts import cut_and_check, cut_for_real

RUNS = extent(2, 12)
CUTS_OF_A_RUN = extent(140, 2000)
STEPS = extent(12, 60)
SYNCS_OF_THE_BEGINNING = 20
CUTS_AFTER_A_FAILURE = extent(6, 200)
REAL_CUTS = extent(6, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_computed_cuts(watched_workers, place, count, seed):
    cuts, findings = cut_and_check(watched_workers, place, seed, CUTS_OF_A_RUN, STEPS)
    count(computed_power_cuts=cuts)
    assert findings == []
    assert cuts > CUTS_OF_A_RUN / 2


@pytest.mark.slow
def test_cuts_after_a_sync_that_failed(watched_workers, place, count):
    """What was begun and refused is not taken for done by the next try."""
    for k in range(1, SYNCS_OF_THE_BEGINNING + 1):
        folder = place / str(k)
        folder.mkdir()
        cuts, findings = cut_and_check(
            watched_workers, folder, k, CUTS_AFTER_A_FAILURE, 0, ["sync", k, "EIO"]
        )
        count(computed_power_cuts=cuts)
        assert findings == []


@pytest.mark.slow
@pytest.mark.parametrize("name", extent(["ext4"], list(FILE_SYSTEMS)))
def test_real_cuts(workers, tmp_path, count, name):
    if reason := missing(name):
        pytest.skip(f"no power is cut for real: {reason}")
    with LoopDisk(tmp_path, name) as disk:
        cuts, findings = cut_for_real(workers[0], disk, 11, REAL_CUTS)
    count(real_power_cuts=cuts)
    assert findings == []
