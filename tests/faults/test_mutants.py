"""The tests of this folder notice when a safety is missing: each, taken away, is found by a check.

`make test` takes away two for each check, `make faults` all.
"""

import random

import pytest
from damage import derived_damages, look_at_derived, look_at_row, row_damages, sound_gallery
from extent import extent
from injection import Fault, inject
from kills import one_gallery
from mutants import MUTANTS
from power_cuts import chosen_cuts, look
from truth import Truth

WALKS = 6
STEPS_OF_A_WALK = 60
LIVES = 25
CUTS = 240
LEAST_MUTANTS = 12
OF_A_CHECK = extent(2, len(MUTANTS))


def by_walks(worker, folder):
    """Random operations without any fault."""
    for seed in range(WALKS):
        walk = worker.walk(
            folder / f"{seed}", Truth(), seed=seed, script=[["open"]], steps=STEPS_OF_A_WALK, root=str(folder)
        )
        if walk.findings or walk.refusals:
            return [*walk.findings, *walk.refusals]
    return []


def by_kills(worker, folder):
    return one_gallery(worker, folder / "g", random.Random(1), LIVES, root=str(folder))


def by_cuts(worker, folder, plan=()):
    findings, changes, cuts = chosen_cuts(worker, folder, 1, CUTS, 12, plan)
    random.Random(1).shuffle(cuts)
    return findings or next(filter(None, (look(worker, folder, changes, *cut) for cut in cuts)), [])


def by_cuts_after_a_failed_sync(worker, folder):
    return by_cuts(worker, folder, ["sync", 1, "EIO"])


def by_calls(worker, folder):
    points = [(Fault("write", error), k) for k in range(10, 400, 7) for error in ("short", "ENOSPC")]
    random.Random(1).shuffle(points)
    return next(filter(None, (inject(worker, folder, *point)[1] for point in points)), [])


def by_damage(worker, folder):
    truth, _ = sound_gallery(worker, folder / "g", [["close"]], root=str(folder))
    jobs = derived_damages(folder / "g", 1, 3)
    return next(filter(None, (look_at_derived(worker, folder / "g", truth, job) for job in jobs)), [])


def by_damaged_rows(worker, folder):
    truth, _ = sound_gallery(worker, folder / "g", [["close"]], root=str(folder))
    jobs = row_damages(folder / "g")
    return next(filter(None, (look_at_row(worker, folder / "g", truth, job) for job in jobs)), [])


CHECKS = {
    "walks": by_walks,
    "kills": by_kills,
    "cuts": by_cuts,
    "cuts after a failed sync": by_cuts_after_a_failed_sync,
    "calls": by_calls,
    "damage": by_damage,
    "damaged rows": by_damaged_rows,
}


def taken_away():
    """So many of those that each check is to notice."""
    of_check = {check: [name for name, one in MUTANTS.items() if one.caught_by == check] for check in CHECKS}
    return [name for names in of_check.values() for name in names[:OF_A_CHECK]]


@pytest.mark.slow
@pytest.mark.parametrize("name", taken_away())
def test_a_missing_safety_is_noticed(watched_workers, place, count, name):
    with watched_workers[0].without(name) as worker:
        findings = CHECKS[MUTANTS[name].caught_by](worker, place)
    assert findings
    count(mutants_caught=1)


def test_there_are_enough_of_them():
    assert len(taken_away()) >= LEAST_MUTANTS
    assert {one.caught_by for one in MUTANTS.values()} == set(CHECKS)
