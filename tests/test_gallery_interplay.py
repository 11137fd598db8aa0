"""Any order of add, remove, rebuild, restart and refresh leaves the gallery in agreement with a dict."""

from filter_makers import FILTERS
from gallery_makers import assert_finds, make_items, queries, writer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from indexer.gallery import open_gallery
from indexer.local import snapshot


class Interplay(RuleBasedStateMachine):
    """Any order of add, remove, rebuild, restart and refresh, against a dict and a full sort."""

    folder_maker = None

    @initialize()
    def start(self):
        self.folder = type(self).folder_maker.mktemp("interplay") / "gallery"
        self.gallery = writer(self.folder)
        self.reader = open_gallery(self.folder)
        self.present = {}
        self.removed = set()

    @rule(start=st.integers(0, 60), count=st.integers(1, 25))
    def add(self, start, count):
        entries = make_items(start, count)
        new = [e for e in entries if e.item.key not in self.present and e.item.key not in self.removed]
        assert self.gallery.add(entries) == len(new)
        self.present.update((entry.item.key, entry) for entry in new)

    @rule(numbers=st.lists(st.integers(0, 85), max_size=12))
    def remove(self, numbers):
        keys = {f"key-{number}" for number in numbers}
        gone = keys & self.present.keys()
        assert self.gallery.remove(sorted(keys)) == len(gone)
        self.removed |= gone
        for key in gone:
            del self.present[key]

    @rule()
    def rebuild(self):
        self.gallery.build_generation()

    @rule()
    def restart(self):
        self.gallery.close()
        self.gallery = writer(self.folder)

    @rule()
    def restart_reader(self):
        self.reader.close()
        self.reader = open_gallery(self.folder)

    @rule(where=st.none() | FILTERS, seed=st.integers(0, 99))
    def search_with_both(self, where, seed):
        entries = list(self.present.values())
        assert_finds(self.gallery, entries, queries(seed), 7, where)
        self.reader.refresh()
        assert_finds(self.reader, entries, queries(seed), 7, where)

    @invariant()
    def counts_and_soundness(self):
        if hasattr(self, "gallery"):
            assert len(self.gallery) == len(self.reader) == len(self.present)
            assert self.gallery.known([f"key-{n}" for n in range(90)]) == self.present.keys() | self.removed
            assert self.gallery.verify() == []

    def teardown(self):
        if hasattr(self, "gallery"):
            self.reader.close()
            self.gallery.close()


def test_any_order_of_work_agrees_with_a_dict(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(snapshot, "TAIL_ROWS", 20)
    Interplay.folder_maker = tmp_path_factory
    limits = settings(max_examples=12, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Interplay, settings=limits)
