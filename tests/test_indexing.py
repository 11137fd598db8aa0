"""One source into one gallery: what is counted is durable, whatever ends the run."""

import itertools
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from indexer import indexing
from indexer.errors import GalleryFull, SourceError
from indexer.indexing import IndexReport, index_source
from indexer.items import EmbeddedItem, GalleryItem, RawImage, Rejected


class Preprocess:
    image_size = (2, 1)

    def __call__(self, picture: Image.Image) -> np.ndarray:
        return np.array(picture.resize((1, 2)))


class Toy:
    """An encoder of one direction; `on_batch` is called with a batch's number before it is embedded."""

    def __init__(self, on_batch=lambda number: None) -> None:
        self.preprocess, self.embedded, self._on_batch = Preprocess(), 0, on_batch
        self.device_type = "cpu"

    def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        self._on_batch(self.embedded)
        self.embedded += 1
        return np.ones((len(pixels), 1), np.float32)


class Shelf:
    """A gallery that keeps keys in the order of their coming; `on_add` may wait or raise."""

    def __init__(self, on_add=lambda number: None) -> None:
        self.keys, self.adds, self.built, self._on_add = list[str](), 0, list[int](), on_add

    def known(self, keys: Sequence[str]) -> set[str]:
        return set(self.keys) & set(keys)

    def removed_keys(self, keys: Sequence[str]) -> set[str]:
        return set()

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        self._on_add(self.adds)
        self.adds += 1
        new = [entry.item.key for entry in items if entry.item.key not in self.keys]
        self.keys += new
        return len(new)

    def build_generation(self) -> None:
        self.built.append(len(self.keys))

    def fresh(self) -> int:
        return len(self.keys) - max(self.built, default=0)

    def __len__(self) -> int:
        return len(self.keys)


class People:
    """`count` pictures; after them `end`, if any, is raised."""

    name = "toy:"

    def __init__(self, count: int, end: BaseException | None = None) -> None:
        self.total, self._end = count, end

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        for number in range(self.total):
            yield RawImage(GalleryItem(f"k{number}", f"u{number}", "toy:"), np.full((9, 9, 3), 7, np.uint8))
        if self._end:
            raise self._end


def keys(count: int) -> list[str]:
    return [f"k{number}" for number in range(count)]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cskt-")]


class Watch:
    """Takes the place of the module `queue` in indexing.

    `full` is set when a batch found no room, `ends` when the end was handed over once and once more;
    `on_end` is called before that with its number.
    """

    Full = queue.Full

    def __init__(self, on_end=lambda number: None) -> None:
        self.full, self.ends = threading.Event(), [threading.Event(), threading.Event()]
        self.on_end, self.attempts, self.opened = on_end, itertools.count(), list[queue.Queue]()
        self.Queue = partial(Watched, self)

    def free(self) -> None:
        """Let go a thread that a failing run has left waiting."""
        for event in self.ends:
            event.set()
        for opened in self.opened:
            queue.Queue.put(opened, None, timeout=30)


class Watched(queue.Queue):
    """A queue that tells its Watch."""

    def __init__(self, watch: Watch, size: int) -> None:
        super().__init__(size)
        self._watch = watch
        watch.opened.append(self)

    def put(self, batch, block=True, timeout=None) -> None:
        if batch is not None:
            try:
                return super().put(batch, block, timeout)
            except queue.Full:
                self._watch.full.set()
                raise
        number = next(self._watch.attempts)
        self._watch.on_end(number)
        super().put(batch, block, timeout)
        if number < len(self._watch.ends):
            self._watch.ends[number].set()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is KeyboardInterrupt, also in a process that was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_everything_is_stored_in_order_and_an_index_file_built_now_and_then(monkeypatch) -> None:
    monkeypatch.setattr(indexing, "ROWS_PER_GENERATION", 8)
    shelf, report = Shelf(), IndexReport("toy:")
    index_source(shelf, People(22), Toy(), report, batch_size=4)
    assert shelf.keys == keys(22)
    assert shelf.built == [8, 16, 22]
    assert (report.new, report.known, report.rejected) == (22, 0, 0)
    index_source(shelf, People(22), Toy(), report, batch_size=4)
    assert (report.new, report.known, shelf.built) == (22, 22, [8, 16, 22])


def test_the_encoder_goes_on_while_a_batch_is_stored() -> None:
    third_is_begun = threading.Event()

    def note(number: int) -> None:
        if number == 2:
            third_is_begun.set()

    def wait(number: int) -> None:
        assert third_is_begun.wait(30)  # in the first add: one thread for both would wait for ever

    shelf, report = Shelf(wait), IndexReport("toy:")
    index_source(shelf, People(12), Toy(note), report, batch_size=4)
    assert report.new == 12


def test_a_slow_disk_holds_the_encoder_up_before_memory_fills(monkeypatch) -> None:
    monkeypatch.setattr(indexing, "BATCHES_UNSTORED", 2)
    watch, ahead = Watch(), list[int]()
    monkeypatch.setattr(indexing, "queue", watch)

    def note(number: int) -> None:
        if number == 29:
            watch.full.set()  # the last: nothing has held the encoder up

    def wait(number: int) -> None:
        assert watch.full.wait(30)
        ahead.append(toy.embedded - number)

    toy, shelf, report = Toy(note), Shelf(wait), IndexReport("toy:")
    index_source(shelf, People(60), toy, report, batch_size=2)
    assert report.new == 60
    assert ahead[0] == max(ahead) == 2 + 2  # waiting, the one being stored, the one being handed over


def test_a_full_disk_ends_the_run_and_only_what_is_durable_is_counted() -> None:
    def full(number: int) -> None:
        if number == 2:
            raise GalleryFull("no room left.")

    shelf, report, toy = Shelf(full), IndexReport("toy:"), Toy()
    with pytest.raises(GalleryFull, match="no room left"):
        index_source(shelf, People(1000), toy, report, batch_size=4)
    assert shelf.keys == keys(8)
    assert (report.new, shelf.built) == (8, [])
    assert report.seconds > 0
    assert toy.embedded < 250
    assert threads() == []


def test_a_full_disk_at_the_very_last_batch_is_told() -> None:
    def full(number: int) -> None:
        raise GalleryFull("no room left.")

    with pytest.raises(GalleryFull):
        index_source(Shelf(full), People(3), Toy(), IndexReport("toy:"))


@pytest.mark.parametrize("end", [SourceError("pulled out."), KeyboardInterrupt()])
def test_what_was_embedded_before_the_end_is_stored(end: BaseException) -> None:
    def interrupt(number: int) -> None:
        if number == 3 and isinstance(end, KeyboardInterrupt):
            raise end

    source = People(12, None if isinstance(end, KeyboardInterrupt) else end)
    shelf, report = Shelf(), IndexReport("toy:")
    with pytest.raises(type(end)):
        index_source(shelf, source, Toy(interrupt), report, batch_size=3)
    stored = 9 if isinstance(end, KeyboardInterrupt) else 12
    assert shelf.keys == keys(stored)
    assert (report.new, shelf.built) == (stored, [])
    assert threads() == []


def test_a_second_interrupt_finishes_the_batch_that_is_being_stored_and_drops_the_others(
    monkeypatch, ctrl_c
) -> None:
    watch = Watch()
    monkeypatch.setattr(indexing, "queue", watch)

    def interrupt(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    def interrupt_again(number: int) -> None:
        assert watch.ends[0].wait(30)
        for _ in range(30):  # a signal just before a thread falls asleep does not wake it
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            if watch.ends[1].wait(1):
                return
        pytest.fail("the second interrupt was not noticed")

    shelf, report = Shelf(interrupt_again), IndexReport("toy:")
    try:
        with pytest.raises(KeyboardInterrupt):
            index_source(shelf, People(12), Toy(interrupt), report, batch_size=3)
        assert threads() == []  # now the gallery may be closed
        assert (shelf.keys, shelf.adds, report.new) == (keys(3), 1, 3)
    finally:
        watch.free()


def test_an_interrupt_before_the_end_is_handed_over_leaves_no_thread_waiting(monkeypatch) -> None:
    def interrupt(number: int) -> None:
        if number == 0:
            raise KeyboardInterrupt

    watch = Watch(interrupt)
    monkeypatch.setattr(indexing, "queue", watch)
    shelf, report = Shelf(), IndexReport("toy:")
    try:
        with pytest.raises(KeyboardInterrupt):
            index_source(shelf, People(12), Toy(), report, batch_size=3)
        assert threads() == []
        assert (shelf.keys, report.new) == (keys(12), 12)
    finally:
        watch.free()


@pytest.mark.parametrize("end", [SourceError("pulled out."), KeyboardInterrupt()])
def test_a_full_disk_after_another_end_is_told(end: BaseException, monkeypatch) -> None:
    watch = Watch()
    monkeypatch.setattr(indexing, "queue", watch)

    def interrupt(number: int) -> None:
        if number == 2 and isinstance(end, KeyboardInterrupt):
            raise end

    def full(number: int) -> None:
        if number == 1:
            assert watch.ends[0].wait(30)
            raise GalleryFull("no room left.")

    source = People(9 if isinstance(end, KeyboardInterrupt) else 6, end)
    shelf, report = Shelf(full), IndexReport("toy:")
    with pytest.raises(GalleryFull, match="no room left") as told:
        index_source(shelf, source, Toy(interrupt), report, batch_size=3)
    assert told.value.__cause__ is end
    assert (shelf.keys, report.new, threads()) == (keys(3), 3, [])
