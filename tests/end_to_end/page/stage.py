"""What the browser tests play on: the real service over a real gallery, with an encoder that counts words.

So the right ranking of every query follows from counting words, and everything else is what really runs.
"""

import io
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import uvicorn
from PIL import Image, ImageColor, ImageDraw

from indexer.gallery import Gallery, open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from model.matching.calibration import Calibration
from model.resizing import Resize
from service.app import create_app
from service.searcher import Searcher
from service.settings import Settings

COLOURS = ("red", "green", "blue", "white", "black", "grey")
VOCABULARY = (*COLOURS, "jacket", "shirt", "trousers", "skirt", "backpack")
HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


class WordEncoder:
    """Unit vectors of word counts; `broken` makes every query fail as a dying encoder would."""

    name, fingerprint, context_length, alive = "demo", "f" * 64, 20, True

    def __init__(self) -> None:
        self.broken = False

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(texts, words of the vocabulary) float32."""
        if self.broken:
            raise RuntimeError("the device is gone")
        words = [re.findall(r"[a-z]+", text.lower()) for text in texts]
        counts = np.array([[1e-6 + found.count(word) for word in VOCABULARY] for found in words])
        return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True), np.float32)

    @property
    def preprocess(self) -> Resize:
        """Pictures of 64 x 128."""
        return Resize((128, 64))

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """A picture is how much of its figure has which colour."""
        rulers = np.array([ImageColor.getrgb(name) for name in COLOURS])
        figures = pixels[:, 30:120, 18:46].reshape(len(pixels), -1, 1, 3)
        nearest = np.abs(figures - rulers).sum(axis=3).argmin(axis=2)
        counts = np.full((len(pixels), len(VOCABULARY)), 1e-6)
        for place in range(len(COLOURS)):
            counts[:, place] += (nearest == place).mean(axis=1)
        return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True), np.float32)

    def revive(self) -> None:
        """It never dies."""

    def close(self) -> None:
        """Nothing is held."""

    def count_tokens(self, text: str) -> int:
        """Words and the two marks."""
        return len(text.split()) + 2


@dataclass(frozen=True)
class Stage:
    """A running service, and what a test may change behind it: the gallery and the encoder's health."""

    url: str
    writer: Gallery
    encoder: WordEncoder

    def add(
        self,
        words: str,
        camera: str | None,
        seen_at: str | None,
        attributes: Mapping[str, str],
        track: str | None = None,
    ) -> None:
        """One more person, described by the words; ids count from 1."""
        key = str(len(self.writer) + 1)
        item = GalleryItem(
            key, f"toy:{key}", "toy", None, camera, seen_at, track or f"t{key}", attributes=attributes
        )
        self.writer.add([EmbeddedItem(item, self.encoder.embed_texts([words])[0], drawing(words))])


def fill(stage: Stage) -> None:
    """Thirty people: five described ones, one with hostile names, and a crowd in grey."""
    stage.add("red jacket black trousers", "entrance", "2026-05-01T08:00:00.000Z", {"carries": "nothing"})
    stage.add(
        "red jacket blue trousers backpack", "hall", "2026-05-01T09:00:00.000Z", {"carries": "backpack"}
    )
    stage.add("green shirt white skirt", "entrance", "2026-05-01T10:00:00.000Z", {})
    stage.add("blue shirt grey trousers", "platform 2", "2026-05-02T08:00:00.000Z", {})
    stage.add("white shirt red skirt", None, None, {})
    stage.add("black black skirt", HOSTILE, "2026-05-02T09:00:00.000Z", {HOSTILE: HOSTILE})
    for hour in range(20):
        stage.add("grey grey grey shirt", "platform 2", f"2026-05-02T{hour:02}:30:00.000Z", {})
    for _ in range(4):
        stage.add("grey grey grey trousers", "platform 2", None, {})


def drawing(words: str) -> bytes:
    """A JPEG, 64 x 128, of a figure in the first two colours named."""
    upper, lower = [*(word for word in words.split() if word in COLOURS), "grey", "grey"][:2]
    picture = Image.new("RGB", (64, 128), "#c8ccc4")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((24, 8, 40, 28), "#caa083")
    pen.rectangle((18, 30, 46, 70), upper)
    pen.rectangle((20, 71, 44, 120), lower)
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


@contextmanager
def open_stage(
    folder: Path,
    people: bool,
    calibration: Calibration | None = None,
    state: str | None = None,
    **chosen: object,
) -> Iterator[Stage]:
    """The service on a thread of its own, on a free loopback port, with thirty people or none.

    With a calibration, fifty more in grey make its scores mean something; keys are kept in `state`;
    `chosen` are further settings.
    """
    encoder, settings = WordEncoder(), Settings(refresh_seconds=0.05, state=state, **chosen)
    writer = open_gallery(folder, create_for=("demo", encoder.fingerprint, len(VOCABULARY)), write=True)
    holder = socket.create_server(("127.0.0.1", 0))
    stage = Stage(f"http://127.0.0.1:{holder.getsockname()[1]}/", writer, encoder)
    if people:
        fill(stage)
    for _ in range(50 if calibration else 0):
        stage.add("grey grey grey shirt", "platform 2", None, {})
    searcher = Searcher(encoder, open_gallery(folder), settings, calibration=calibration)
    config = uvicorn.Config(create_app(settings, searcher), log_level="warning", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [holder]})
    thread.start()
    try:
        while not searcher.ready:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield stage
    finally:
        server.should_exit = True
        thread.join()
        holder.close()
        writer.close()
