"""The indexing part of `cskt bench gallery`: how fast images become a gallery, and in how much memory.

The crops are synthetic people, 256 x 128 JPEG (two dozen are drawn, then copied under new names). Ours is
what `cskt index` does, from the folder to the finished index file. It has two baselines: the plain loop (open
with PIL, preprocess, embed 64 at a time, keep the vectors in a list, with no thumbnails and nothing stored),
and the encoder alone, fed with the pixels of the same crops from memory: indexing at all that the encoder can
take. All three take the same crops in turns. The processes that decode run before: `cskt index` starts them
while it opens the encoder. What a crop costs beside the encoder, on one core, stands below. Memory is the
peak while one folder is read over and over, in the last third against the first.
"""

import itertools
import math
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model.bench_report import Result, measured, resident_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from indexer.decoders import Decoders
    from indexer.indexing import IndexReport
    from indexer.items import RawImage, Rejected
    from indexer.sources import GallerySource
    from model.embedder import Embedder

IMAGES, QUICK_IMAGES = 1500, 384
ROUNDS, QUICK_ROUNDS = 3, 2
PASSES, QUICK_PASSES = 9, 6
BATCH = 64
PICTURES, PICTURES_EACH, SEED = 24, 3, 7
GOAL_RATE = 40.0
GOAL_SHARE = 0.95
GOAL_GROWTH = 1.05
SAMPLE_SECONDS = 0.01
MEGABYTE = 1e6


@dataclass(frozen=True)
class Rates:
    """Images per second, one figure a round."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    encoder_alone: list[float] = field(default_factory=list)
    preparing: list[float] = field(default_factory=list)


def measure_indexing(embedder: "Embedder", images: int | None, quick: bool) -> list[Result]:
    """All figures about indexing, in a folder that is removed afterwards."""
    from indexer.decoders import Decoders

    count = images or (QUICK_IMAGES if quick else IMAGES)
    with Decoders() as decoders, tempfile.TemporaryDirectory(prefix="cskt-bench-") as name:
        place = Path(name)
        folders = write_crops(place, count, QUICK_ROUNDS if quick else ROUNDS)
        long = RepeatedSource(folders[0], QUICK_PASSES if quick else PASSES)
        memory = measure_memory(long, embedder, place / "long", decoders)
        rates = measure_rates(folders, embedder, place, decoders)
    return [*rate_results(rates, embedder.precision), memory]


def write_crops(place: Path, images: int, rounds: int) -> list[Path]:
    """Write JPEG crops, shared out to one folder a round; returns the folders."""
    from model.people.write import PeopleOrder, write_people

    drawn = place / "drawn"
    identities = math.ceil(min(images, PICTURES) / PICTURES_EACH)
    write_people(PeopleOrder(drawn, identities, PICTURES_EACH, SEED), workers=1)
    pictures = itertools.cycle(sorted(drawn.rglob("*.jpg")))
    folders = [place / f"round-{number}" for number in range(min(rounds, images))]
    for folder in folders:
        folder.mkdir()
    for number, picture in zip(range(images), pictures, strict=False):
        shutil.copyfile(picture, folders[number % len(folders)] / f"{number:06d}.jpg")
    return folders


def measure_rates(folders: Sequence[Path], embedder: "Embedder", place: Path, decoders: "Decoders") -> Rates:
    """Each folder by all ways, another one first in each round; the encoder has run before."""
    from indexer.sources import open_source

    rates = Rates()
    for number, folder in enumerate(folders):
        paths = sorted(folder.iterdir())
        pixels = read_pixels(paths, embedder)

        def ours(folder: Path = folder, number: int = number) -> None:
            source, gallery = open_source(f"folder:{folder}"), place / f"gallery-{number}"
            report = index_afresh(source, embedder, gallery, decoders)
            rates.ours.append(report.rate)

        def plain(paths: Sequence[Path] = paths) -> None:
            rates.plain.append(plain_rate(paths, embedder))

        def alone(pixels: "Tensor" = pixels) -> None:
            rates.encoder_alone.append(encoder_rate(pixels, embedder))

        ways: list[Callable[[], None]] = [ours, alone, plain]
        for turn in range(len(ways)):
            ways[(number + turn) % len(ways)]()
        rates.preparing.append(preparing_rate(paths[:BATCH], embedder))
    return rates


def index_afresh(
    source: "GallerySource", embedder: "Embedder", gallery: Path, decoders: "Decoders"
) -> "IndexReport":
    """What `cskt index` does into a new gallery. Raises GalleryError if it rejects any of our own crops."""
    from indexer.errors import GalleryError
    from indexer.gallery import open_gallery
    from indexer.indexing import IndexReport, index_source

    report = IndexReport(source.name)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    opened = open_gallery(gallery, create_for=made_by, write=True)
    try:
        index_source(opened, source, embedder, report, BATCH, decoders=decoders)
    finally:
        opened.close()
    if report.rejected:
        raise GalleryError(
            f"{report.rejected} crops could not be indexed, so nothing is measured; the first: "
            f"{report.first_rejected[0].reason}"
        )
    return report


def plain_rate(paths: Sequence[Path], embedder: "Embedder") -> float:
    """Images per second of the plain loop."""
    started = time.perf_counter()
    vectors = [
        embedder.embed_pixels(read_pixels(paths[start : start + BATCH], embedder))
        for start in range(0, len(paths), BATCH)
    ]
    return sum(map(len, vectors)) / (time.perf_counter() - started)


def encoder_rate(pixels: "Tensor", embedder: "Embedder") -> float:
    """Images per second of the encoder on pixels (n, height, width, 3) in memory."""
    started = time.perf_counter()
    for start in range(0, len(pixels), BATCH):
        embedder.embed_pixels(pixels[start : start + BATCH])
    return len(pixels) / (time.perf_counter() - started)


def preparing_rate(paths: Sequence[Path], embedder: "Embedder") -> float:
    """Images per second that one thread prepares when it is alone."""
    from indexer.items import GalleryItem, RawImage
    from indexer.prepared import prepare

    images = [RawImage(GalleryItem(path.name, path.name, "bench:"), path.read_bytes()) for path in paths]
    started = time.perf_counter()
    for image in images:
        prepare(image, embedder.preprocess)
    return len(images) / (time.perf_counter() - started)


def read_pixels(paths: Sequence[Path], embedder: "Embedder") -> "Tensor":
    """JPEG files as the encoder's pixels, uint8 (n, height, width, 3)."""
    import numpy as np
    import torch
    from PIL import Image

    pixels = []
    for path in paths:
        with Image.open(path) as picture:
            pixels.append(embedder.preprocess(picture))
    return torch.from_numpy(np.stack(pixels))


def rate_results(rates: Rates, precision: str) -> list[Result]:
    """The medians of the rounds as results."""
    ours, plain, alone, preparing = map(
        statistics.median, (rates.ours, rates.plain, rates.encoder_alone, rates.preparing)
    )
    return [
        measured(
            "indexing JPEG crops (baseline: plain loop)",
            ours,
            "images/s",
            baseline=plain,
            at_least=GOAL_RATE,
        ),
        measured(
            "indexing against the encoder alone",
            ours,
            "images/s",
            baseline=alone,
            at_least=GOAL_SHARE * alone,
        ),
        measured(f"floor: the encoder alone in {precision}, pixels ready", alone, "images/s"),
        measured("decode, resize and thumbnail on one core", preparing, "images/s"),
    ]


class RepeatedSource:
    """A folder read several times over under new keys; `samples` are (pass, resident bytes then)."""

    def __init__(self, folder: Path, passes: int) -> None:
        from indexer.sources import open_source

        self._source, self.passes = open_source(f"folder:{folder}"), passes
        self.name = self._source.name
        self.total = (self._source.total or 0) * passes
        self.samples: list[tuple[int, int]] = []
        self._pass = 0

    def __iter__(self) -> "Iterator[RawImage | Rejected]":
        from indexer.items import RawImage

        for number in range(self.passes):
            self._pass = number
            for entry in self._source:
                if isinstance(entry, RawImage):
                    yield replace(entry, item=replace(entry.item, key=f"{number}:{entry.item.key}"))
                else:
                    yield replace(entry, key=f"{number}:{entry.key}")
            self.sample()

    def sample(self) -> None:
        """Note the resident memory of now."""
        self.samples.append((self._pass, resident_bytes()))

    @contextmanager
    def watched(self) -> "Iterator[None]":
        """Sample in a thread meanwhile."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(SAMPLE_SECONDS):
                self.sample()

        watcher = threading.Thread(target=watch, name="cskt-memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def measure_memory(
    source: RepeatedSource, embedder: "Embedder", gallery: Path, decoders: "Decoders"
) -> Result:
    """Resident memory at most in the last third of a long source, against at most in its first third.

    Peaks, as every batch takes and gives back a hundred megabytes. Measured before anything else has run in
    this process, as freed memory would hide growth.
    """
    with source.watched():
        index_afresh(source, embedder, gallery, decoders)
    third = source.passes // 3
    first = max(size for number, size in source.samples if number < third)
    last = max(size for number, size in source.samples if number >= source.passes - third)
    return measured(
        f"peak memory, last third of {source.total} images (baseline: first third)",
        last / MEGABYTE,
        "MB",
        baseline=first / MEGABYTE,
        at_most=first * GOAL_GROWTH / MEGABYTE,
    )
