"""The encoder in a process of its own: the same vectors, and what happens when that process ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from model.embedder import open_embedder
from model.errors import CheckpointError, ConfigError
from service.errors import ServeError
from service.remote_encoder import EncoderDied, RemoteEncoder
from service.settings import Settings

TEXTS = ["a red coat", "", "a woman\x00 with \udc80 blue hair", "word " * 300, "ü 人"]


@pytest.fixture(scope="module")
def encoder() -> Iterator[RemoteEncoder]:
    """The demo encoder in float32."""
    encoder = RemoteEncoder("demo", Settings(precision="float32", threads=1))
    yield encoder
    encoder.close()


def gone(process: int) -> bool:
    """Whether there is no such process any more, or nobody has looked after it."""
    try:
        return "Z" in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True


def kill(encoder: RemoteEncoder) -> None:
    """End its process and wait until that can be seen."""
    os.kill(encoder.pid, signal.SIGKILL)
    encoder._child.process.wait(20)  # all its threads, not only the first


def test_it_is_the_same_encoder(encoder: RemoteEncoder) -> None:
    here = open_embedder("demo", precision="float32")
    for name in ("name", "fingerprint", "dimension", "context_length", "precision"):
        assert getattr(encoder, name) == getattr(here, name)
    np.testing.assert_allclose(encoder.embed_texts(TEXTS), here.embed_texts(TEXTS), atol=1e-5)
    picture = np.random.default_rng(1).integers(0, 255, (90, 40, 3)).astype(np.uint8)
    assert (encoder.preprocess(picture) == here.preprocess(picture)).all()
    pixels = np.stack([here.preprocess(picture)] * 3)
    expected = here.embed_pixels(torch.from_numpy(pixels))
    np.testing.assert_allclose(encoder.embed_pixels(pixels), expected, atol=1e-5)
    for known in (TEXTS, []):  # just encoded, and asked for anew
        encoder.embed_texts([*known, "another"])
        assert [encoder.count_tokens(text) for text in TEXTS] == [here.count_tokens(text) for text in TEXTS]


def test_its_process_gives_way_and_does_not_hear_ctrl_c(encoder: RemoteEncoder) -> None:
    assert os.getpriority(os.PRIO_PROCESS, encoder.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    os.kill(encoder.pid, signal.SIGINT)
    assert encoder.embed_texts(["a coat"]).shape == (1, encoder.dimension)


def test_what_it_cannot_encode_fails_alone(encoder: RemoteEncoder) -> None:
    before = encoder.pid
    with pytest.raises(Exception, match="the encoder failed"):
        encoder.embed_pixels(np.zeros((2, 3, 4), np.uint8))
    assert (encoder.pid, encoder.alive) == (before, True)
    assert encoder.embed_texts(["a coat"]).shape == (1, encoder.dimension)


def test_one_that_ended_while_nobody_asked_is_replaced_unseen(encoder: RemoteEncoder) -> None:
    expected, before = encoder.embed_texts(["a coat"]), encoder.pid
    kill(encoder)
    assert (encoder.embed_texts(["a coat"]) == expected).all()
    assert encoder.pid != before


def test_who_is_being_answered_when_it_ends_is_told(encoder: RemoteEncoder) -> None:
    before = encoder.pid
    os.kill(before, signal.SIGSTOP)  # so that it has certainly not answered yet
    threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()
    with pytest.raises(EncoderDied):
        encoder.embed_texts(["a coat"])
    assert encoder.alive
    assert encoder.embed_texts(["a coat"]).shape == (1, encoder.dimension)
    assert gone(before)


def test_a_process_that_hangs_is_replaced(encoder: RemoteEncoder) -> None:
    before = encoder.pid
    encoder._child.channel.wait_for(0.5)
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(EncoderDied):
        encoder.embed_texts(["a coat"])
    assert gone(before)
    assert encoder.embed_texts(["a coat"]).shape == (1, encoder.dimension)


def test_many_texts_at_once(encoder: RemoteEncoder) -> None:
    texts = [f"coat {number}" for number in range(3000)]
    assert encoder.embed_texts(texts).shape == (3000, encoder.dimension)
    assert encoder.count_tokens("coat 2999") == encoder.count_tokens("coat 2998")


def test_one_that_does_not_start_again_is_given_up(
    encoder: RemoteEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr("service.remote_encoder.START_SECONDS", 0.05)
        kill(encoder)
        with pytest.raises(EncoderDied):
            encoder.embed_texts(["a red coat"])
        assert not encoder.alive
        with pytest.raises(ServeError):
            encoder.revive()
    encoder.revive()
    assert encoder.embed_texts(["a red coat"]).shape == (1, encoder.dimension)


def test_one_that_cannot_be_replaced_is_tried_again(
    encoder: RemoteEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setitem(encoder._wanted, "encoder", "nowhere/at/all")
        kill(encoder)
        with pytest.raises(EncoderDied):
            encoder.embed_texts(["a coat"])
        assert not encoder.alive
        with pytest.raises(EncoderDied, match="not running"):
            encoder.embed_texts(["a coat"])
        with pytest.raises(CheckpointError):
            encoder.revive()
    encoder.revive()
    assert encoder.alive
    assert encoder.embed_texts(["a coat"]).shape == (1, encoder.dimension)


def test_an_encoder_that_changed_meanwhile_is_not_taken(
    encoder: RemoteEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "fingerprint", "another")
    kill(encoder)
    with pytest.raises(EncoderDied):
        encoder.embed_texts(["a coat"])
    assert not encoder.alive
    monkeypatch.undo()
    encoder.revive()


def test_what_cannot_be_opened_is_said_as_ever() -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        RemoteEncoder("nowhere", Settings())
    with pytest.raises(ConfigError, match="precision"):
        RemoteEncoder("demo", Settings(precision="float7"))


def test_closing_ends_the_process_for_good() -> None:
    encoder = RemoteEncoder("demo", Settings(threads=1))
    process = encoder.pid
    encoder.close()
    assert gone(process)
    with pytest.raises(EncoderDied):
        encoder.embed_texts(["a coat"])
    encoder.revive()
    assert not encoder.alive


def test_it_ends_with_its_parent() -> None:
    program = (
        "import time; from service.remote_encoder import RemoteEncoder as Remote\n"
        "from service.settings import Settings\n"
        "print(Remote('demo', Settings(threads=1)).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while not gone(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)
