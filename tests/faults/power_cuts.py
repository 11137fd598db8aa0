"""Power cuts, computed from what a writer did, with several fates of what was not synced; and real ones."""

import json
import random
import shutil

from disk import OUTCOMES, Disk, write_out
from injection import SCRIPT
from launcher import decided, shared
from shim import read_log
from truth import Truth

ENDLESS = 1_000_000
LONGEST_WRITING = 2.5
MOST_ITEMS = 600
"""Then a new gallery is begun, so that checks stay quick."""


def record(worker, folder, seed, steps, plan=()):
    """A writer does the script and some random steps: what went wrong, where, and the changes in order."""
    root, log = folder / "recorded", folder / "changes"
    root.mkdir()
    walk = worker.walk(
        root / "g",
        Truth(),
        seed=seed,
        script=SCRIPT[:-1],
        steps=steps,
        root=str(root),
        log=str(log),
        plan=plan,
    )
    shutil.rmtree(root)
    return walk.findings + ([] if plan else walk.refusals), root, read_log(log)


def cuts(root, changes, seed, most):
    """(change, operation in flight, truth, outcome, files) of power cuts, spread evenly over the changes."""
    chance, disk, truth, in_flight = random.Random(seed), Disk(str(root)), Truth(), None
    real = sum(change.what != "!" for change in changes)
    share = most / (real * len(OUTCOMES))
    for place, change in enumerate(changes):
        if change.what == "!":
            mark = json.loads(change.path)
            if "done" in mark:
                truth = truth.after(mark["done"])
            in_flight = mark.get("begin")
            continue
        disk.take(change)
        for outcome in OUTCOMES:
            if chance.random() < share:
                yield place, in_flight, truth.copy(), outcome, disk.after_power_cut(outcome, chance)


def chosen_cuts(worker, folder, seed, most, steps, plan=()):
    """What went wrong while recording, all changes, and the cuts to look at."""
    findings, root, changes = record(worker, folder, seed, steps, plan)
    return findings, changes, list(cuts(root, changes, seed, most))


def cut_and_check(workers, folder, seed, most, steps, plan=()):
    """How many power cuts were looked at, and all that was wrong. `plan`: a call that fails before."""
    findings, changes, chosen = chosen_cuts(workers[0], folder, seed, most, steps, plan)
    findings += shared(workers, chosen, lambda worker, cut: look(worker, folder, changes, *cut))
    return len(chosen), [f"seed {seed}: {finding}" for finding in findings]


def look(worker, folder, changes, place, in_flight, truth, outcome, found):
    """Start from what one power cut left; all that is wrong."""
    after = changes[place]
    target = folder / f"cut-{place}-{outcome.replace(' ', '-')}"
    write_out({"": None, **found}, target)
    report = worker.check(target / "g", truth, in_flight, going_on=True)
    shutil.rmtree(target)
    return [
        f"after change {place} ({after.what} {after.path.rpartition('/')[2]}), of the unsynced {outcome}, "
        f"in flight {in_flight}: {text}"
        for text in [*report["findings"], *filter(None, [report["refused"]])]
    ]


def cut_for_real(worker, disk, seed, count):
    """Cut the power of a disk while a writer works on it; how often, and all that was wrong afterwards."""
    chance, truth, unheard = random.Random(seed), Truth(), None
    for cut in range(count):
        script = [["open"], unheard] if unheard and unheard[0] == "add" else [["open"]]
        seconds = chance.random() * LONGEST_WRITING
        with disk.mounted() as folder:
            walk = worker.walk(
                folder / "g",
                truth,
                seed=cut,
                script=script,
                steps=ENDLESS,
                kill_after=(0, seconds, disk.cut_power),
            )
        with disk.mounted() as folder:
            report = worker.check(folder / "g", walk.truth, walk.in_flight)
        findings = [*walk.findings, *report["findings"], *filter(None, [report["refused"]])]
        if findings:
            return cut + 1, [f"seed {seed}, cut {cut} on {disk.name}: {text}" for text in findings]
        truth, unheard = decided(report), walk.in_flight
        if len(truth.live) > MOST_ITEMS:
            truth, unheard = _begin_anew(disk), None
    return count, []


def _begin_anew(disk):
    with disk.mounted() as folder:
        shutil.rmtree(folder / "g")
    return Truth()
