"""Whatever an image does to the process that decodes it, it costs that image and nothing else."""

import gc
import io
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from killing_pixels import ABORT, EXIT, LIE, SEE, SEGFAULT, SLEEP, SPIN, STOP, SWELL, KillingPixels
from PIL import Image

from indexer import decoders as module
from indexer.confined import ConfinedProcess, Limits
from indexer.decoders import Decoders
from indexer.errors import GalleryError
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, prepare
from model.resizing import Resize

LIMITS = Limits(memory=1 << 28, cpu_seconds=0.4, wall_seconds=1.2)


def picture(colour: tuple[int, int, int]) -> RawImage:
    """A PNG whose first pixel has the colour."""
    pixels = np.random.default_rng(5).integers(0, 255, (90, 40, 3), dtype=np.uint8)
    pixels[0, 0] = colour
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return RawImage(GalleryItem(f"k{colour}", f"u{colour}", "toy:"), file.getvalue())


def same(one: Prepared | Rejected, other: Prepared | Rejected) -> bool:
    if isinstance(one, Rejected) or isinstance(other, Rejected):
        return one == other
    return (
        one.item == other.item
        and np.array_equal(one.pixels, other.pixels)
        and one.thumbnail == other.thumbnail
    )


@pytest.mark.parametrize(
    ("colour", "reason"),
    [
        (SEGFAULT, "the decoder died on it (signal 11)."),
        (ABORT, "the decoder died on it (signal 6)."),
        (EXIT, "the decoder died on it (exit code 3)."),
        (SPIN, "took longer than 0.4 s."),
        (SLEEP, "took longer than 1.2 s."),
        (STOP, "took longer than 1.2 s."),
        (SWELL, "needs too much memory."),
        (LIE, "the decoder gave an answer that makes no sense."),
    ],
)
def test_a_killer_costs_itself_only(colour, reason) -> None:
    good, preprocess = picture((9, 9, 9)), KillingPixels()
    truth = prepare(good, preprocess)
    with Decoders(1, LIMITS) as decoders:
        for _ in range(2):
            assert same(decoders.prepare(good, preprocess), truth)
            bad = picture(colour)
            assert decoders.prepare(bad, preprocess) == Rejected(bad.item.key, bad.item.uri, "toy:", reason)
        assert same(decoders.prepare(good, preprocess), truth)


def test_others_at_work_are_unharmed_and_hear_nothing_of_it() -> None:
    preprocess, order = KillingPixels(), [(number, 1, 1) for number in range(60)]
    for place, killer in zip((5, 17, 30, 44), (SEGFAULT, SPIN, EXIT, SWELL), strict=True):
        order[place] = killer
    raws = [picture(colour) for colour in order]
    with Decoders(3, LIMITS) as decoders, ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda raw: decoders.prepare(raw, preprocess), raws))
    died = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Rejected)]
    assert died == [5, 17, 30, 44]
    for raw, outcome in zip(raws, outcomes, strict=True):
        assert isinstance(outcome, Rejected) or same(outcome, prepare(raw, preprocess))


def test_a_decoder_can_do_nothing_else(monkeypatch) -> None:
    monkeypatch.setenv("CSKT_SECRET", "x")
    with Decoders(1) as decoders:
        outcome = decoders.prepare(picture(SEE), KillingPixels())
    assert isinstance(outcome, Prepared)
    done, files, _ = outcome.pixels[0, 0]
    assert (done, files) == (0, 4)  # nothing; three times /dev/null and the channel


def test_boxes_and_pixels_come_out_as_without_processes() -> None:
    data, preprocess = picture((1, 2, 3)).data, Resize((48, 16))
    raws = [
        RawImage(GalleryItem("a", "a", "toy:", Box(3.25, 4, 30, 80.5)), data),
        RawImage(GalleryItem("b", "b", "toy:", Box(500, 4, 600, 80)), data),
        RawImage(GalleryItem("c", "c", "toy:"), np.full((50, 20, 3), 7, np.uint8)),
        RawImage(GalleryItem("d", "d", "toy:"), b""),
    ]
    with Decoders(1) as decoders:
        assert all(same(decoders.prepare(raw, preprocess), prepare(raw, preprocess)) for raw in raws)


def test_processes_start_when_they_are_needed_and_serve_what_comes_next() -> None:
    with Decoders(4) as decoders:
        assert [decoder._process for decoder in decoders._decoders] == [None] * 4
        decoders.prepare(
            RawImage(GalleryItem("c", "c", "toy:"), np.zeros((50, 20, 3), np.uint8)), Resize((4, 2))
        )
        assert [decoder._process for decoder in decoders._decoders] == [None] * 4
        pids = []
        for size in ((24, 8), (48, 16)):
            for _ in range(3):
                outcome = decoders.prepare(picture((1, 2, 3)), Resize(size))
                assert isinstance(outcome, Prepared)
                assert outcome.pixels.shape == (*size, 3)
                pids.append(decoders._decoders[0]._process.pid)
        assert [pids.count(pid) for pid in pids] == [3] * 6
        assert [decoder._process is None for decoder in decoders._decoders] == [False, True, True, True]
        decoders.start(2)
        started = [decoder._process for decoder in decoders._decoders]
        assert [process is None for process in started] == [False, False, True, True]
    assert not any(process.alive for process in started if process)


def test_a_process_that_died_with_nothing_to_do_costs_no_image() -> None:
    with Decoders(1) as decoders:
        decoders.prepare(picture((1, 2, 3)), Resize((4, 2)))
        os.kill(decoders._decoders[0]._process.pid, signal.SIGKILL)
        decoders._decoders[0]._process._process.wait()
        assert isinstance(decoders.prepare(picture((1, 2, 3)), Resize((4, 2))), Prepared)


def test_giving_up_ends_what_hangs_at_once() -> None:
    came: queue.Queue[object] = queue.Queue()
    with Decoders(1, Limits(wall_seconds=300, cpu_seconds=300)) as decoders:
        threading.Thread(target=lambda: came.put(decoders.prepare(picture(SLEEP), KillingPixels()))).start()
        while not decoders._decoders[0]._at_work:
            time.sleep(0.01)
    assert isinstance(came.get(timeout=30), Rejected)  # a minute before its time is up
    gc.collect()  # no unclosed socket, no process left behind: both would warn


def test_processes_that_cannot_start_are_one_sentence(monkeypatch, capfd) -> None:
    monkeypatch.setattr(module, "MODULE", "indexer.no_such_module")
    with Decoders(1) as decoders, pytest.raises(GalleryError, match="did not start; its own error"):
        decoders.prepare(picture((1, 2, 3)), Resize((4, 2)))
    assert "no_such_module" in capfd.readouterr().err
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(GalleryError, match="No such file or directory; use fewer --workers"):
        ConfinedProcess("indexer.image_process")


def test_no_worker_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Decoders(0)


PARENT = """
import sys, threading
sys.path[:0] = {paths!r}
from test_decoders import *
decoders = Decoders(3, Limits(cpu_seconds=1.0, wall_seconds=1.0))
decoders.start(3)
for colour in (SPIN, SLEEP):
    threading.Thread(target=decoders.prepare, args=(picture(colour), KillingPixels()), daemon=True).start()
while sum(decoder._at_work for decoder in decoders._decoders) < 2:
    time.sleep(0.01)
print(*(decoder._process.pid for decoder in decoders._decoders), flush=True)
time.sleep(100)
"""


def test_nothing_is_left_of_a_parent_that_was_killed() -> None:
    """One idle, two at work on what never ends; the kernel's own clocks end those."""
    tests = Path(__file__).parent
    program = PARENT.format(paths=[str(tests), str(tests.parent)])
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        children = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 3
    patience = time.monotonic() + 20
    while any(map(runs, children)) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not any(map(runs, children))


def runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
