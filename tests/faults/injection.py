"""The k-th file call of a kind fails: the operation is refused in a sentence, what was acknowledged stays."""

import random
import shutil
from dataclasses import dataclass

from launcher import shared
from shim import SHORT
from truth import Truth

SCRIPT = [
    ["open"],
    ["add", [0, 1, 2, 3, 4, 5]],
    ["build"],
    ["add", [4, 6, 7, 8, 9]],
    ["update", 5, 1],
    ["remove", [2, 8]],
    ["search"],
    ["build"],
    ["reopen"],
    ["add", [2, 10, 11]],
    ["erase", [0, 10]],
    ["update", 5, 2],
    ["search"],
    ["compact"],
    ["close"],
]
"""A whole life in few calls."""


@dataclass(frozen=True)
class Fault:
    """One way in which calls of a kind fail; `lasting`: from then on all of them."""

    kind: str
    error: str
    lasting: bool = False


FAULTS = (
    Fault("write", "ENOSPC"),
    Fault("write", "ENOSPC", lasting=True),
    Fault("write", "EIO"),
    Fault("write", SHORT),
    Fault("sync", "EIO"),
    Fault("sync", "ENOSPC"),
    Fault("open", "EMFILE"),
    Fault("open", "EMFILE", lasting=True),
    Fault("open", "ENOSPC"),
    Fault("open", "EIO"),
    Fault("rename", "EIO"),
    Fault("rename", "ENOSPC"),
    Fault("truncate", "EIO"),
    Fault("unlink", "EIO"),
    Fault("mkdir", "ENOSPC"),
    Fault("read", "EIO"),
    Fault("map", "ENOMEM"),
)


def calls_of_a_run(worker, folder):
    """How many calls of each kind the script makes when nothing fails."""
    walk = worker.walk(folder / "g", Truth(), script=SCRIPT, root=str(folder))
    if walk.findings or walk.refusals:
        raise AssertionError([*walk.findings, *walk.refusals])
    return walk.seen


def points(seen, most, seed):
    """(fault, k) for every call, or for `most` of them evenly with a random start, where there are more."""
    chance, chosen = random.Random(seed), []
    for fault in FAULTS:
        step = max(1.0, seen[fault.kind] / most)
        start = 1 + chance.random() * (step - 1)
        places = {int(start + step * place) for place in range(min(most, seen[fault.kind]))}
        chosen += [(fault, k) for k in sorted(places) if k <= seen[fault.kind]]
    return chosen


def inject(worker, folder, fault, k):
    """Fail one call; whether it was reached, and all that is wrong."""
    root = folder / f"{fault.kind}-{fault.error}-{'on' if fault.lasting else 'once'}-{k}"
    plan = [fault.kind, k, fault.error, fault.lasting]
    walk = worker.walk(root / "g", Truth(), script=SCRIPT, root=str(root), plan=plan)
    findings = list(walk.findings)
    if walk.refusals and fault.error == SHORT:
        findings.append(f"refused after a short write: {walk.refusals[0]}")
    if walk.in_flight and not fault.lasting:
        findings.append(f"not possible a second time, after one failure: {walk.in_flight} {walk.refusals}")
    report = worker.check(root / "g", walk.truth, walk.in_flight, going_on=True)
    findings += [*report["findings"], *filter(None, [report["refused"]])]
    shutil.rmtree(root, ignore_errors=True)
    return walk.hits > 0, [f"{fault} at call {k}: {finding}" for finding in findings]


def inject_all(workers, folder, chosen):
    """Fail every chosen call, one run each; how many were reached, and all that is wrong."""
    results = shared(workers, chosen, lambda worker, point: [inject(worker, folder, *point)])
    return sum(hit for hit, _ in results), [finding for _, findings in results for finding in findings]
