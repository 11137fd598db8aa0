"""Workers and an encoder on the same cores take turns; beside a device they do not. Nobody waits for ever."""

import itertools
import threading
import time

import numpy as np
import pytest
import torch
from mean_colour import MeanColour
from pipeline_toys import colour_of, raw, run, worker_threads

from indexer import pipeline


class Watched(MeanColour):
    """Notes in `meanwhile` how many images the workers prepare while a batch is embedded."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted, self.meanwhile = wanted, list[int]()

    def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        before, patience = self.prepared, time.monotonic() + 0.5
        while self.prepared - before < self._wanted and time.monotonic() < patience:
            time.sleep(0.001)
        self.meanwhile.append(self.prepared - before)
        return super().embed_pixels(pixels)


@pytest.mark.parametrize("in_turns", [True, None])
def test_workers_that_share_the_encoders_cores_rest_while_it_works(in_turns, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # a GPU that the encoder does not run on
    embedder = Watched(wanted=3)
    batches = run(map(raw, range(24)), embedder, batch_size=8, workers=2, in_turns=in_turns)
    assert sum(len(batch.items) for batch in batches) == 24
    assert max(embedder.meanwhile) <= 2  # what a worker has begun it finishes


@pytest.mark.parametrize("in_turns", [False, None])
def test_workers_beside_a_device_prepare_the_next_batches_meanwhile(in_turns) -> None:
    embedding, last_is_begun = threading.Event(), threading.Event()

    class Device(MeanColour):
        device_type = "cuda"

        def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
            embedding.set()
            if not self.batches:
                assert last_is_begun.wait(20)  # the first batch is not done before the last image is begun
            return super().embed_pixels(pixels)

    def note(pixels: np.ndarray) -> None:
        if tuple(pixels[0, 0]) not in [colour_of(number) for number in range(4)]:
            assert embedding.wait(20)  # nor are the workers through before it
        if tuple(pixels[0, 0]) == colour_of(11):
            last_is_begun.set()

    batches = run(map(raw, range(12)), Device(note), batch_size=4, workers=2, in_turns=in_turns)
    assert [len(batch.items) for batch in batches] == [4, 4, 4]


def test_an_encoder_that_fails_in_its_turn_leaves_no_worker_waiting() -> None:
    class Broken(MeanColour):
        def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
            raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        run(map(raw, itertools.count()), Broken(), batch_size=4, in_turns=True)
    assert worker_threads() == []


def test_an_interrupt_as_the_workers_are_told_to_rest_leaves_none_resting(monkeypatch) -> None:
    turns = pipeline._Turns(True)
    clear = turns._workers.clear

    def interrupted() -> None:
        clear()
        raise KeyboardInterrupt

    monkeypatch.setattr(turns._workers, "clear", interrupted)
    with pytest.raises(KeyboardInterrupt), turns.encoder():
        pass
    assert turns._workers.is_set()


def test_an_interrupt_before_the_encoder_uses_its_turn_leaves_no_worker_waiting(monkeypatch) -> None:
    made, ended = list[pipeline._Turns](), threading.Event()

    class CutShort(pipeline._Turns):
        def __init__(self, taken: bool) -> None:
            super().__init__(taken)
            made.append(self)

        def encoder(self):
            self._workers.clear()
            raise KeyboardInterrupt

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            run(map(raw, itertools.count()), MeanColour(), batch_size=4, in_turns=True)
        ended.set()

    monkeypatch.setattr(pipeline, "_Turns", CutShort)
    running = threading.Thread(target=interrupted)
    running.start()
    try:
        assert ended.wait(20)
    finally:
        made[0]._workers.set()
        running.join()
