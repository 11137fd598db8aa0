"""What a gallery must hold: a dict kept outside of it, and the check that it does hold that and nothing else.

An operation is a list, so that it can be sent between processes: ["add", [3, 4]], ["remove", [3]], ["build"].
It was acknowledged, or it is in flight: then it happened wholly or not at all, and the check says which.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from gallery_makers import brute_force, make_item, queries, writer

from indexer.errors import GalleryMissing
from indexer.filters import Compare, Not, OneOf, from_choices
from indexer.gallery import open_gallery

FILTERS = (
    None,
    from_choices(cameras=("camera-0", "camera-2"), seen_from="2026-05-01T12:10:00.000Z"),
    from_choices(sources=("folder-1",), attributes={"coat": "green"}),
    Not(Compare("attributes.version", ">", 0)),
    OneOf("camera", ("no such camera",)),
)
NEVER_ADDED = 5
"""So many numbers behind the last one are asked for too: they must be unknown."""

WRONG_KEYS = "known() differs from what was added and removed"
WRONG_COUNT = "it counts another number of items"

CHOICES = {
    "add": 5,
    "remove": 2,
    "erase": 1,
    "update": 2,
    "build": 3,
    "compact": 1,
    "search": 1,
    "reopen": 1,
    "intrude": 1,
}


def key(number):
    return f"key-{number}"


@cache
def entry(number, version=0):
    """Item `number` after so many updates; each fifth has the vector of the one before, for ties."""
    made = make_item(number, group=number - 1 if number % 5 == 4 else None)
    facts = {**made.item.attributes, **update(version)} if version else made.item.attributes
    return replace(made, item=replace(made.item, attributes=facts))


def update(version):
    """The attributes that the update to this version sets."""
    return {"version": version, "coat": ("green", "red")[version % 2]}


@dataclass
class Truth:
    """`live`: number -> version, in the order of acknowledgement. `ever`: the next new number.

    `removed`: never to come back; those `erased` left no trace.
    """

    created: bool = False
    live: dict[int, int] = field(default_factory=dict)
    removed: list[int] = field(default_factory=list)
    erased: list[int] = field(default_factory=list)
    ever: int = 0

    def copy(self):
        return Truth(self.created, dict(self.live), list(self.removed), list(self.erased), self.ever)

    def state(self):
        return [self.created, list(self.live.items()), self.removed, self.erased, self.ever]

    @classmethod
    def from_state(cls, state):
        created, live, *others = state
        return cls(created, dict(live), *others)

    def restored(self, backup):
        """The truth once a backup, made when `backup` was it, is put back: who was removed since stays so."""
        live = {number: version for number, version in backup.live.items() if number not in self.removed}
        return Truth(True, live, list(self.removed), list(self.erased), self.ever)

    def entries(self):
        return [entry(number, version) for number, version in self.live.items()]

    def apply(self, operation):
        """Take the operation as acknowledged; what it must have answered."""
        match operation:
            case ["open"]:
                self.created = True
            case ["add", numbers]:
                new = [
                    number for number in dict.fromkeys(numbers) if number not in {*self.live, *self.removed}
                ]
                self.live |= dict.fromkeys(new, 0)
                self.ever = max([self.ever, *(number + 1 for number in new)])
                return len(new)
            case ["remove" | "erase" as name, numbers]:
                gone = [number for number in dict.fromkeys(numbers) if number in self.live]
                self.live = {number: version for number, version in self.live.items() if number not in gone}
                self.removed += gone
                if name == "erase":  # with them whoever was removed before
                    self.erased = list(self.removed)
                return len(gone)
            case ["update", number, version]:
                if number in self.live:
                    self.live[number] = version
                return number in self.live
        return None

    def after(self, operation):
        """The truth if the operation happened."""
        later = self.copy()
        later.apply(operation)
        return later

    def choose(self, chance):
        """A random next operation; additions and removals name what is known, removed, and new."""
        known = [*self.live, *self.removed]
        kind = chance.choices(list(CHOICES), list(CHOICES.values()))[0]
        if kind == "add":
            again = chance.sample(known, min(len(known), chance.randint(0, 2)))
            return ["add", again + list(range(self.ever, self.ever + chance.randint(1, 9)))]
        if kind in ("remove", "erase"):
            return [kind, [*chance.sample(known, min(len(known), chance.randint(1, 3))), self.ever]]
        if kind == "update":
            number = chance.choice([*known, self.ever])
            return ["update", number, self.live.get(number, 0) + 1]
        return [kind]


def perform(gallery, operation):
    """Do it; what it answered."""
    match operation:
        case ["add", numbers]:
            return gallery.add([entry(number) for number in numbers])
        case ["remove", numbers]:
            return gallery.remove([key(number) for number in numbers])
        case ["erase", numbers]:
            return gallery.remove([key(number) for number in numbers], erase=True)
        case ["update", number, version]:
            return gallery.update(key(number), update(version))
        case ["build"]:
            return gallery.build_generation()
        case ["compact"]:
            return gallery.compact()
    raise ValueError(operation)


def traces(folder, truth):
    """What is left of erased items in any file."""
    # what was removed without erasing, or lost when a backup was restored, may stand in files for a while
    kept = {*range(truth.ever)} - {*truth.erased}
    vectors = {entry(number).vector.tobytes() for number in kept}
    contents = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    found = []
    for number in truth.erased:
        gone = entry(number)
        marks = [gone.item.uri.encode()]
        if gone.vector.tobytes() not in vectors:
            marks += [gone.vector.tobytes(), gone.vector.astype("<f2").tobytes()]
        for path, content in contents.items():
            if any(mark in content for mark in marks):
                found.append(f"{path.name} still holds something of the erased {key(number)}")
    return found


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
                found += [
                    f"wrong facts of {hit.item.key}" for hit in hits if hit.item != facts[hit.item.key].item
                ]
                if where is None and k > 4:
                    found += _wrong_thumbnails(gallery, hits, facts)
    asked = [key(number) for number in range(truth.ever + NEVER_ADDED)]
    if gallery.known(asked) != {key(number) for number in [*truth.live, *truth.removed]}:
        found.append(WRONG_KEYS)
    if len(gallery) != len(entries):
        found.append(WRONG_COUNT)
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
        new, known = list(range(truth.ever, truth.ever + 3)), [*truth.live]
        script = [
            ["add", known[-4:] + truth.removed[-4:] + new],
            ["update", new[1], 1],
            ["remove", new[:1]],
            ["build"],
        ]
        for operation in script:
            answer, expected = perform(gallery, operation), truth.apply(operation)
            if answer != expected:
                found.append(f"going on, {operation} answered {answer} instead of {expected}")
        found += [f"going on: {wrong}" for wrong in wrong_answers(gallery, truth, 1)]
        found += [f"built anew, verify: {problem}" for problem in gallery.verify()]
    finally:
        gallery.close()
    return found + traces(folder, truth)
