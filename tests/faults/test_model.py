"""Whatever is done in whatever order, a gallery answers as a dict and a full sort do."""

import shutil
import tempfile
from pathlib import Path

import pytest
from extent import extent
from filter_makers import FILTERS
from gallery_makers import assert_finds, queries, writer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from truth import Truth, perform, traces, wrong_answers

from indexer.gallery import open_gallery
from indexer.local import snapshot
from indexer.local.backup import back_up, restore

NUMBERS = st.lists(st.integers(0, 40), max_size=8)
RUNS = st.builds(lambda start, count: [*range(start, start + count)], st.integers(0, 60), st.integers(1, 25))


class GalleryMachine(RuleBasedStateMachine):
    """A writer, a reader that stays open, and the last backup."""

    backed_up = None

    @initialize()
    def make(self):
        self.folder = Path(tempfile.mkdtemp(prefix="cskt-faults-"))
        self.truth = Truth().after(["open"])
        self.gallery = writer(self.folder / "g")
        self.reader = open_gallery(self.folder / "g")
        self.seen = self.truth.copy()

    def teardown(self):
        if hasattr(self, "folder"):
            self.reader.close()
            self.gallery.close()
            shutil.rmtree(self.folder)

    def _do(self, *operation):
        answer, expected = perform(self.gallery, list(operation)), self.truth.apply(list(operation))
        assert answer == expected, (operation, answer, expected)

    @rule(numbers=NUMBERS | RUNS)
    def add(self, numbers):
        self._do("add", numbers)

    @rule(numbers=NUMBERS)
    def remove(self, numbers):
        self._do("remove", numbers)

    @rule(numbers=NUMBERS)
    def erase(self, numbers):
        self._do("erase", numbers)
        assert traces(self.folder / "g", self.truth) == []

    @rule(number=st.integers(0, 40), version=st.integers(1, 5))
    def update(self, number, version):
        self._do("update", number, version)

    @rule()
    def build(self):
        self._do("build")

    @rule()
    def compact(self):
        self._do("compact")

    @rule()
    def restart(self):
        self.gallery.close()
        self.gallery = writer(self.folder / "g")

    @rule()
    def restart_the_reader(self):
        self.reader.close()
        self.reader = open_gallery(self.folder / "g")
        self.seen = self.truth.copy()

    @rule()
    def back_up(self):
        report = back_up(self.folder / "g", self.folder / "b.db", force=True)
        assert (report.items, report.removals) == (len(self.truth.live), len(self.truth.removed))
        self.backed_up = self.truth.copy()

    @precondition(lambda self: self.backed_up)
    @rule()
    def restore(self):
        self.gallery.close()
        report = restore(self.folder / "b.db", self.folder / "g", force=True)
        self._expect_restored(report)
        self.truth = self.truth.restored(self.backed_up)
        self.gallery = writer(self.folder / "g")
        assert traces(self.folder / "g", self.truth) == []

    @precondition(lambda self: self.backed_up)
    @rule()
    def restore_elsewhere(self):
        """The living gallery is as new as any of its backups, whatever was done with it."""
        place = self.folder / "elsewhere"
        self._expect_restored(restore(self.folder / "b.db", place, [self.folder / "g"]))
        expected = self.truth.restored(self.backed_up)
        other = open_gallery(place)
        assert wrong_answers(other, expected, 2) == []
        assert other.verify() == []
        other.close()
        assert traces(place, expected) == []
        shutil.rmtree(place)

    def _expect_restored(self, report):
        live = self.truth.restored(self.backed_up).live
        assert (report.items, report.removed_again) == (len(live), len(self.backed_up.live) - len(live))

    @rule(where=st.none() | FILTERS, seed=st.integers(0, 99))
    def search_with_both(self, where, seed):
        assert_finds(self.gallery, self.truth.entries(), queries(seed), 7, where)
        self.refresh_the_reader()
        assert_finds(self.reader, self.truth.entries(), queries(seed), 7, where)

    @rule()
    def refresh_the_reader(self):
        self.reader.refresh()
        self.seen = self.truth.copy()
        assert wrong_answers(self.reader, self.seen, 1) == []

    @rule()
    def verify(self):
        assert self.gallery.verify() == []

    @invariant()
    def answers_are_right(self):
        if hasattr(self, "folder"):
            assert wrong_answers(self.gallery, self.truth) == []


@pytest.mark.parametrize("tail", [20, 4096])
def test_any_order_of_work_agrees_with_a_dict(tail, monkeypatch):
    monkeypatch.setattr(snapshot, "TAIL_ROWS", tail)
    limits = settings(
        max_examples=extent(30, 1000),
        stateful_step_count=extent(25, 60),
        deadline=None,
        derandomize=extent(True, False),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(GalleryMachine, settings=limits)
