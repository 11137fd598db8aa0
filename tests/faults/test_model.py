"""Whatever is done in whatever order, a gallery answers as a dict and a full sort do."""

import shutil
import tempfile
from pathlib import Path

from extent import extent
from gallery_makers import writer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from truth import Truth, perform, traces, wrong_answers

from indexer.gallery import open_gallery

NUMBERS = st.lists(st.integers(0, 40), max_size=8)


class GalleryMachine(RuleBasedStateMachine):
    """A writer, and a reader that has been open all the time."""

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

    @rule(numbers=NUMBERS)
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


TestGallery = GalleryMachine.TestCase
TestGallery.settings = settings(
    max_examples=extent(60, 2000),
    stateful_step_count=extent(25, 60),
    deadline=None,
    derandomize=extent(True, False),
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
