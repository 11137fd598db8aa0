"""Power cuts computed from what a writer did: after every change, with several fates of what was not synced."""

import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor

from disk import OUTCOMES, Disk, write_out
from injection import SCRIPT
from shim import read_log
from truth import Truth


def record(worker, folder, seed, steps):
    """What a writer does to the disk in the script and some random steps: the changes, in order."""
    root, log = folder / "recorded", folder / "changes"
    root.mkdir()
    walk = worker.walk(
        root / "g", Truth(), seed=seed, script=SCRIPT[:-1], steps=steps, root=str(root), log=str(log)
    )
    if walk.findings or walk.refusals:
        raise AssertionError([*walk.findings, *walk.refusals])
    shutil.rmtree(root)
    return root, read_log(log)


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


def cut_and_check(workers, folder, seed, most, steps):
    """How many power cuts were looked at, and all that was wrong after one of them."""
    root, changes = record(workers[0], folder, seed, steps)
    chosen = list(cuts(root, changes, seed, most))

    def go_through(worker, share):
        return [text for cut in share for text in _look(worker, folder, changes, *cut)]

    shares = [chosen[place :: len(workers)] for place in range(len(workers))]
    with ThreadPoolExecutor(len(workers)) as pool:
        findings = [text for share in pool.map(go_through, workers, shares) for text in share]
    return len(chosen), [f"seed {seed}: {finding}" for finding in findings]


def _look(worker, folder, changes, place, in_flight, truth, outcome, found):
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
