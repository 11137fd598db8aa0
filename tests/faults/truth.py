"""What a gallery must hold: a dict kept outside of it, and the check that it does hold that and nothing else.

An operation is a list, so that it can be sent between processes: ["add", [3, 4]], ["remove", [3]], ["build"].
It was acknowledged, or it is in flight: then it happened wholly or not at all, and the check says which.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from gallery_makers import brute_force, make_item, queries, writer

from indexer.errors import GalleryMissing
from indexer.gallery import open_gallery
from indexer.items import Filter

FILTERS = (
    None,
    Filter(cameras=("camera-0", "camera-2"), seen_from="2026-05-01T12:10:00.000Z"),
    Filter(sources=("folder-1",), attributes={"coat": "red"}),
    Filter(cameras=("no such camera",)),
)
NEVER_ADDED = 5
"""So many numbers behind the last one are asked for too: they must be unknown."""


def key(number):
    return f"key-{number}"


@lru_cache(maxsize=None)
def entry(number):
    """Item `number`; each fifth has the vector of the one before it, so ties are everywhere."""
    return make_item(number, group=number - 1 if number % 5 == 4 else None)


@dataclass
class Truth:
    """`live`: numbers in the order of acknowledgement. `removed`: never to come back. `ever`: the next new one."""

    created: bool = False
    live: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    ever: int = 0

    def copy(self):
        return Truth(self.created, list(self.live), list(self.removed), self.ever)

    def state(self):
        return [self.created, self.live, self.removed, self.ever]

    def entries(self):
        return [entry(number) for number in self.live]

    def apply(self, operation):
        """Take the operation as acknowledged; what it must have answered."""
        name, *rest = operation
        if name == "open":
            self.created = True
        elif name == "add":
            new = [number for number in dict.fromkeys(rest[0]) if number not in {*self.live, *self.removed}]
            self.live += new
            self.ever = max([self.ever, *(number + 1 for number in new)])
            return len(new)
        elif name == "remove":
            gone = [number for number in dict.fromkeys(rest[0]) if number in self.live]
            self.live = [number for number in self.live if number not in gone]
            self.removed += gone
            return len(gone)
        return None

    def after(self, operation):
        """The truth if the operation happened."""
        later = self.copy()
        later.apply(operation)
        return later

    def choose(self, chance):
        """A random next operation: mostly additions, among them what is known, removed, and new."""
        known = self.live + self.removed
        kind = chance.choices(["add", "remove", "build", "search", "reopen"], [5, 2, 3, 1, 1])[0]
        if kind == "add":
            again = chance.sample(known, min(len(known), chance.randint(0, 2)))
            return ["add", again + list(range(self.ever, self.ever + chance.randint(1, 9)))]
        if kind == "remove":
            return ["remove", [*chance.sample(known, min(len(known), chance.randint(1, 3))), self.ever]]
        return [kind]


def wrong_answers(gallery, truth, seed=0):
    """How answers differ from brute force over what must be there; empty when they do not."""
    entries, wanted = truth.entries(), queries(seed, 2)
    facts = {held.item.key: held for held in entries}
    found = []
    for k, where in [(len(entries) + NEVER_ADDED, None), *((4, where) for where in FILTERS)]:
        for hits, query in zip(gallery.search(wanted, k, where), wanted, strict=True):
            expected = brute_force(entries, query, k, where)
            if [hit.item.key for hit in hits] != [name for name, _ in expected]:
                found.append(_difference(hits, expected, where))
            elif not np.allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-9):
                found.append(f"wrong scores for {where}")
            else:
                found += [f"wrong facts of {hit.item.key}" for hit in hits if hit.item != facts[hit.item.key].item]
                if where is None and k > 4:
                    found += _wrong_thumbnails(gallery, hits, facts)
    asked = [key(number) for number in range(truth.ever + NEVER_ADDED)]
    if gallery.known(asked) != {key(number) for number in truth.live + truth.removed}:
        found.append("known() differs from what was added and removed")
    if len(gallery) != len(entries):
        found.append(f"it counts {len(gallery)} items instead of {len(entries)}")
    return found


def _difference(hits, expected, where):
    got, wanted = [hit.item.key for hit in hits], [name for name, _ in expected]
    lost, phantom = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    doubled = sorted({name for name in got if got.count(name) > 1})
    return f"where {where}: lost {lost}, phantom {phantom}, doubled {doubled}" + (
        "" if lost or phantom or doubled else f", wrong order {got} for {wanted}"
    )


def _wrong_thumbnails(gallery, hits, facts):
    return [
        f"wrong thumbnail of {hit.item.key}"
        for hit in hits
        if gallery.thumbnail(hit.id) != facts[hit.item.key].thumbnail
    ]


def check(folder, truth, in_flight=None, *, damaged=False):
    """Open for reading; all that is wrong, and the truth with the operation in flight decided.

    `damaged`: derived files were spoilt, so verify may complain; the answers may not be wrong all the same.
    """
    try:
        gallery = open_gallery(folder)
    except GalleryMissing as error:
        return ([f"it is gone: {error}"] if truth.created else []), truth
    try:
        unsound = [] if damaged else [f"verify: {problem}" for problem in gallery.verify()]
        possible = [truth] if in_flight is None else [truth, truth.after(in_flight)]
        complaints = []
        for one in possible:
            wrong = wrong_answers(gallery, one, seed=one.ever)
            if not wrong:
                return unsound, one
            complaints.append(wrong)
        return unsound + min(complaints, key=len), truth
    finally:
        gallery.close()


def check_going_on(folder, truth):
    """Open for writing, and work as if nothing had happened; all that is wrong."""
    gallery, truth = writer(folder), truth.copy()
    try:
        found = [f"mended, verify: {problem}" for problem in gallery.verify()]
        new = list(range(truth.ever, truth.ever + 3))
        for operation in (["add", truth.live[-4:] + truth.removed[-4:] + new], ["remove", new[:1]]):
            call = gallery.add if operation[0] == "add" else gallery.remove
            values = [entry(n) for n in operation[1]] if operation[0] == "add" else [key(n) for n in operation[1]]
            answer, expected = call(values), truth.apply(operation)
            if answer != expected:
                found.append(f"going on, {operation} answered {answer} instead of {expected}")
        found += [f"going on: {wrong}" for wrong in wrong_answers(gallery, truth, 1)]
        gallery.build_generation()
        found += [f"built anew: {wrong}" for wrong in wrong_answers(gallery, truth, 2)]
        return found + [f"built anew, verify: {problem}" for problem in gallery.verify()]
    finally:
        gallery.close()
