"""The encoder as the service sees it: the same calls, answered by `encoder_process.py`."""

import json
import logging
import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.channel import Channel, ChannelClosed, NonsenseReceived, start_child
from model.errors import CheckpointError, ConfigError, CsktError
from model.resizing import Resize
from service.encoder_process import MOST_BYTES
from service.errors import ServeError
from service.settings import Settings

log = logging.getLogger("cskt.encoder")

ANSWER_SECONDS, START_SECONDS = 120.0, 600.0
"""After which a process that does not answer counts as dead, and one that is started again as not to be
started. Starting for the first time may take as long as it takes: weights may have to be fetched."""

_PATIENT = {"OMP_WAIT_POLICY": "passive"}
"""Threads of the encoder that wait for one another sleep; by default they keep a core busy others need."""

_KINDS = {kind.__name__: kind for kind in (CheckpointError, ConfigError)}

Vectors = npt.NDArray[np.float32]


class EncoderDied(CsktError):
    """The process of the encoder ended while it was asked."""


class EncoderFailed(CsktError):
    """The encoder could not encode what it was given."""


@dataclass(frozen=True)
class _Child:
    process: "subprocess.Popen[bytes]"
    channel: Channel

    def end(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


class RemoteEncoder:
    """An encoder in a process of its own; see service.serving.QueryEncoder. Calls from threads take turns.

    When its process ends, another one is started at once; who was being answered is told so (EncoderDied).
    """

    def __init__(self, encoder: str, settings: Settings) -> None:
        """Raises what `open_embedder` raises, ServeError when no process can be started."""
        self._wanted = {
            "encoder": encoder,
            "device": settings.device,
            "precision": settings.precision,
            "threads": settings.threads,
        }
        self._one_at_a_time = threading.Lock()
        self._closed = False
        self._tokens: dict[str, int] = {}
        self._child, facts = self._start()
        self.name, self.fingerprint = str(facts["name"]), str(facts["fingerprint"])
        self.dimension, self.context_length = int(facts["dimension"]), int(facts["context_length"])
        self.precision = str(facts["precision"])
        height, width = facts["image_size"]
        self.preprocess = Resize((height, width))
        self._alive = True

    @property
    def alive(self) -> bool:
        """Whether there is a process that can be asked."""
        return self._alive

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._child.process.pid

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (texts, dimension). Raises EncoderDied, EncoderFailed."""
        with self._one_at_a_time:
            vectors, tokens = self._read(texts)
            self._tokens = dict(zip(texts, tokens, strict=True))
        return vectors

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        """Bytes (n, height, width, 3) -> unit vectors (n, dimension). Raises EncoderDied, EncoderFailed."""
        with self._one_at_a_time:
            body = np.ascontiguousarray(pixels).data
            answer = self._ask(
                {"do": "pixels", "shape": pixels.shape}, body, 4 * len(pixels) * self.dimension
            )
        return np.frombuffer(answer, dtype=np.float32).reshape(len(pixels), self.dimension)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before cutting; without asking for one that has just been encoded."""
        known = self._tokens.get(text)
        if known is None:
            with self._one_at_a_time:
                (known,) = self._read([text])[1]
        return known

    def revive(self) -> None:
        """Start another process where there is none. Raises as the constructor does."""
        if self._alive or self._closed:  # without waiting for whoever is being answered
            return
        with self._one_at_a_time:
            if not self._alive and not self._closed:
                self._restart()

    def close(self) -> None:
        """End the process."""
        self._closed, self._alive = True, False
        self._child.end()

    def _read(self, texts: Sequence[str]) -> tuple[Vectors, list[int]]:
        size = 4 * len(texts) * self.dimension
        answer = self._ask({"do": "texts"}, json.dumps(list(texts)).encode(), size + 4 * len(texts))
        vectors = np.frombuffer(answer[:size], dtype=np.float32).reshape(len(texts), self.dimension)
        return vectors, np.frombuffer(answer[size:], dtype=np.int32).tolist()

    def _ask(self, facts: dict[str, Any], body: bytes | memoryview, size: int) -> bytearray:
        """The body of its answer, which must have this size."""
        if self._alive and self._child.process.poll() is not None:  # it ended while nobody asked
            self._died()
        if not self._alive:
            raise EncoderDied("the encoder is not running")
        try:
            self._child.channel.send(facts, body)
            answer, found = self._child.channel.receive(MOST_BYTES)
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            self._died()
            raise EncoderDied("the process of the encoder ended, or did not answer") from error
        if "error" in answer:
            if answer["fatal"]:
                self._died()
            raise EncoderFailed(f"the encoder failed: {answer['error']}")
        if len(found) != size:
            raise EncoderFailed("the encoder gave another number of vectors")
        return found

    def _died(self) -> None:
        """Start another one; when that fails, `alive` is false until `revive` succeeds."""
        self._alive = False
        if self._closed:
            return
        ended = self._child.process.poll()
        log.error("the process of the encoder ended or hangs (%s); another one is started", ended)
        try:
            self._restart()
        except CsktError as error:
            log.error("the encoder cannot be started: %s", error)

    def _restart(self) -> None:
        self._child.end()
        child, facts = self._start(START_SECONDS)
        if facts["fingerprint"] != self.fingerprint:
            child.end()
            raise ServeError("The encoder has changed since the service was started; start it again.")
        self._child, self._alive = child, True

    def _start(self, patience: float | None = None) -> tuple[_Child, dict[str, Any]]:
        try:
            process, ours = start_child("service.encoder_process", [], {**_PATIENT, **os.environ})
        except OSError as error:
            raise ServeError(f"No process can be started for the encoder: {error.strerror}.") from error
        child = _Child(process, Channel(ours, patience))
        try:
            child.channel.send(self._wanted)
            facts, _ = child.channel.receive(0)
        except (ChannelClosed, NonsenseReceived, TimeoutError) as error:
            child.end()
            raise ServeError("The encoder could not be started; its own error stands above.") from error
        if "refused" in facts:
            child.end()
            raise _KINDS.get(facts["kind"], ServeError)(facts["refused"])
        child.channel.wait_for(ANSWER_SECONDS)
        return child, facts
