"""A gallery that lives: what is acknowledged is seen by the next refresh; an answer is that of one state."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from gallery_makers import brute_force, make_items, queries, writer
from gallery_processes import OtherProcess

from indexer.filters import OneOf
from indexer.gallery import open_gallery
from indexer.local import snapshot
from indexer.local.backup import back_up, restore

WHERE = (None, OneOf("attributes.coat", ("red",)))
QUERY = queries(4, 1)
SEARCHERS = 3
KINDS = {"add": 5, "update": 6, "remove": 3, "erase": 1, "build": 3, "compact": 1, "backup": 1, "restore": 1}


class Living:
    """A gallery that is changed at random; `state` is what it must hold, in the order of adding."""

    def __init__(self, folder, seed):
        self.folder, self._file, self._random = folder, folder.with_name("backup.db"), random.Random(seed)
        self.gallery, self._added, self._removed = writer(folder), 0, set()
        self.state, self._saved = [], None

    def next_change(self):
        """What the gallery will hold, and what makes it so."""
        (kind,) = self._random.choices(list(KINDS), list(KINDS.values()))
        return getattr(self, f"_{kind}")()

    def _add(self):
        new = make_items(self._added, self._random.randint(1, 9))
        self._added += len(new)
        return self.state + new, lambda: self.gallery.add(new)

    def _update(self):
        if not self.state:
            return self._add()
        place, coat = self._random.randrange(len(self.state)), self._random.choice(["red", "blue", None])
        old = self.state[place].item
        given = {
            name: value for name, value in ({**old.attributes, "coat": coat}).items() if value is not None
        }
        changed = list(self.state)
        changed[place] = replace(self.state[place], item=replace(old, attributes=given))
        return changed, lambda: self.gallery.update(old.key, {"coat": coat})

    def _remove(self, erase=False):
        keys = [entry.item.key for entry in self._random.sample(self.state, min(3, len(self.state)))]
        self._removed |= set(keys)
        left = [entry for entry in self.state if entry.item.key not in keys]
        return left, lambda: self.gallery.remove(keys, erase=erase)

    def _erase(self):
        return self._remove(erase=True)

    def _build(self):
        return self.state, self.gallery.build_generation

    def _compact(self):
        return self.state, self.gallery.compact

    def _backup(self):
        self._saved = self.state
        return self.state, lambda: back_up(self.folder, self._file, force=True)

    def _restore(self):
        if self._saved is None:
            return self._backup()

        def put_back():
            self.gallery.close()
            restore(self._file, self.folder, force=True)
            self.gallery = open_gallery(self.folder, write=True)

        return [entry for entry in self._saved if entry.item.key not in self._removed], put_back


def expected(state, k=6):
    """For each filter the items that must be found, best first."""
    facts = {entry.item.key: entry.item for entry in state}
    return [[facts[key] for key, _ in brute_force(state, QUERY[0], k, where)] for where in WHERE]


def found(reader, where, k=6):
    return [hit.item for hit in reader.search(QUERY, k, where)[0]]


@pytest.fixture
def living(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "TAIL_ROWS", 20)
    living = Living(tmp_path / "g", seed=11)
    yield living
    living.gallery.close()


def test_what_is_acknowledged_is_seen_by_the_next_refresh(living):
    reader = open_gallery(living.folder)
    for _ in range(150):
        living.state, change = living.next_change()
        change()
        reader.refresh()
        assert [found(reader, where) for where in WHERE] == expected(living.state)
        ids = set(reader.ids(WHERE[1]).tolist())
        red = [entry.item.key for entry in living.state if entry.item.attributes.get("coat") == "red"]
        assert ids == set(reader.ids_of(red))
        assert len(reader) == len(living.state)
    assert reader.verify() == []
    reader.close()


def test_searches_meet_one_state_each_through_two_hundred_changes(living):
    """A searcher knows the last state acknowledged before its refresh and the last begun by its answer."""
    reader, done = open_gallery(living.folder), threading.Event()
    states, acknowledged, all_search = [expected([])], [0], threading.Barrier(SEARCHERS + 1)

    def search_until_done(seed):
        choice, met = random.Random(seed), set()
        all_search.wait()
        while not done.is_set():
            which, first = choice.randrange(len(WHERE)), acknowledged[0]
            reader.refresh()
            answer = found(reader, WHERE[which])
            fitting = [place for place in range(first, len(states)) if states[place][which] == answer]
            assert fitting, f"between the states {first} and {len(states) - 1}: {answer}"
            met.add(fitting[0])
        return met

    with ThreadPoolExecutor(SEARCHERS) as pool:
        runs = [pool.submit(search_until_done, seed) for seed in range(SEARCHERS)]
        try:
            all_search.wait()
            for _ in range(220):
                living.state, change = living.next_change()
                states.append(expected(living.state))
                change()
                acknowledged[0] = len(states) - 1
        finally:
            done.set()
    met = set().union(*(run.result() for run in runs))
    assert len(met) > 30
    assert reader.verify() == []
    reader.close()


def test_another_process_sees_every_change_in_the_end(tmp_path, living):
    other, answers, last = OtherProcess(), [], None
    try:
        living.gallery.add(make_items(1000, 20))
        living.state = make_items(1000, 20)
        other.start("search_until", living.folder, 4, 6, tmp_path / "end")
        assert other.line() == "searching"
        for _ in range(60):
            answers.append([item.key for item in expected(living.state)[0]])
            living.state, change = living.next_change()
            change()
        answers.append([item.key for item in expected(living.state)[0]])
        while last != answers[-1]:
            last = [key for _, key in json.loads(other.line())]
            assert last in answers
        (tmp_path / "end").touch()
        assert other.wait()[1] == 0
    finally:
        other.close()
