"""kill -9 at random moments: the writer dies in the middle of anything, the next one goes on."""

import random

from launcher import decided, shared
from truth import Truth

LIVES_PER_GALLERY = 25
"""Then a new one is begun, so that its creation is killed too and checks stay quick."""

MOST_ACKNOWLEDGEMENTS = 8
LONGEST_PAUSE = 0.03
ENDLESS = 1_000_000


def kills(workers, folder, seed, count):
    """Kill `count` writers; all that was wrong after any of them."""

    def kill_some(worker, first):
        lives = min(LIVES_PER_GALLERY, count - first)
        return one_gallery(worker, folder / f"killed-{first}", random.Random(seed + first), lives)

    return [
        f"seed {seed}: {finding}"
        for finding in shared(workers, range(0, count, LIVES_PER_GALLERY), kill_some)
    ]


def one_gallery(worker, folder, chance, lives, **further):
    """Writers of one gallery, killed one after the other, until one leaves something wrong: what."""
    truth, unheard = Truth(), None
    for life in range(lives):
        # A source that never heard whether its last batch arrived sends it again.
        script = [["open"], unheard] if unheard and unheard[0] == "add" else [["open"]]
        moment = chance.randint(0, MOST_ACKNOWLEDGEMENTS), chance.random() * LONGEST_PAUSE
        walk = worker.walk(
            folder, truth, seed=chance.random(), script=script, steps=ENDLESS, kill_after=moment, **further
        )
        report = worker.check(folder, walk.truth, walk.in_flight, going_on=life == lives - 1)
        findings = [*walk.findings, *walk.refusals, *report["findings"], *filter(None, [report["refused"]])]
        if findings:
            return [f"life {life} of {folder.name}, killed after {moment}: {text}" for text in findings]
        truth, unheard = decided(report), walk.in_flight
    return []
