"""`cskt bench gallery`: how fast images become a searchable gallery, and whether memory stays flat meanwhile.

The crops are synthetic people, 256 x 128 JPEG (two dozen are drawn, then copied under new names). Ours is
what `cskt index` does, from the folder to the finished index file; the baseline is the plain loop: open with
PIL, preprocess, embed 64 at a time, keep the vectors in a list, with no thumbnails and nothing stored. Both
take the same crops in turns. The floor stands beside them: the encoder alone on pixels that lie ready.
Memory is measured on one folder read over and over, after a third and at the end.
"""

import argparse
import itertools
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model.bench_report import (
    Result,
    add_report_options,
    check_place,
    count,
    measured,
    publish,
    resident_bytes,
)

if TYPE_CHECKING:
    from torch import Tensor

    from indexer.indexing import IndexReport
    from indexer.items import RawImage, Rejected
    from indexer.sources import GallerySource
    from model.embedder import Embedder

IMAGES, QUICK_IMAGES = 1500, 384
ROUNDS, QUICK_ROUNDS = 3, 2
PASSES, QUICK_PASSES = 9, 3
BATCH = 64
PICTURES, PICTURES_EACH, SEED = 24, 3, 7
GOAL_RATE = 40.0
GOAL_GROWTH = 1.05
MEGABYTE = 1e6


@dataclass(frozen=True)
class Rates:
    """Images per second, one figure a round."""

    ours: list[float]
    plain: list[float]
    encoder_alone: list[float]


def add_bench_gallery(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench gallery`."""
    parser = subparsers.add_parser(
        "gallery", help="indexing: images per second and memory", description=__doc__
    )
    parser.add_argument(
        "--images", type=count, metavar="N", help=f"crops (default: {IMAGES}, quick {QUICK_IMAGES})"
    )
    add_report_options(parser)
    parser.set_defaults(run=run_bench_gallery)


def run_bench_gallery(arguments: argparse.Namespace) -> int:
    """Measure indexing; 0 whether or not the goals are met."""
    from model.embedder import open_embedder

    check_place(arguments.json)
    images = arguments.images or (QUICK_IMAGES if arguments.quick else IMAGES)
    embedder = open_embedder(arguments.encoder)
    with tempfile.TemporaryDirectory(prefix="cskt-bench-") as name:
        place = Path(name)
        folders = write_crops(place, images, QUICK_ROUNDS if arguments.quick else ROUNDS)
        long = RepeatedSource(folders[0], QUICK_PASSES if arguments.quick else PASSES)
        memory = measure_memory(long, embedder, place / "long")
        rates = measure_rates(folders, embedder, place)
    publish([*rate_results(rates), memory], arguments.json)
    return 0


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


def measure_rates(folders: Sequence[Path], embedder: "Embedder", place: Path) -> Rates:
    """Each folder by all ways, the order turned from round to round; the encoder has run before."""
    from indexer.sources import open_source

    rates = Rates([], [], [])
    for number, folder in enumerate(folders):

        def ours(folder: Path = folder, number: int = number) -> None:
            report = index_afresh(open_source(f"folder:{folder}"), embedder, place / f"gallery-{number}")
            rates.ours.append(report.rate)

        def plain(folder: Path = folder) -> None:
            rates.plain.append(plain_rate(sorted(folder.iterdir()), embedder))

        for way in (ours, plain) if number % 2 == 0 else (plain, ours):
            way()
        rates.encoder_alone.append(encoder_rate(sorted(folder.iterdir()), embedder))
    return rates


def index_afresh(source: "GallerySource", embedder: "Embedder", gallery: Path) -> "IndexReport":
    """What `cskt index` does into a new gallery. Raises GalleryError if it rejects any of our own crops."""
    from indexer.errors import GalleryError
    from indexer.gallery import open_gallery
    from indexer.indexing import IndexReport, index_source

    report = IndexReport(source.name)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    opened = open_gallery(gallery, create_for=made_by, write=True)
    try:
        index_source(opened, source, embedder, report, BATCH)
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


def encoder_rate(paths: Sequence[Path], embedder: "Embedder") -> float:
    """Images per second of the encoder on two batches that lie ready."""
    pixels = read_pixels(paths[:BATCH], embedder)
    started = time.perf_counter()
    for _ in range(2):
        embedder.embed_pixels(pixels)
    return 2 * len(pixels) / (time.perf_counter() - started)


def read_pixels(paths: Sequence[Path], embedder: "Embedder") -> "Tensor":
    """JPEG files as the encoder's pixels (n, 3, height, width)."""
    import torch
    from PIL import Image

    pixels = []
    for path in paths:
        with Image.open(path) as picture:
            pixels.append(embedder.preprocess(picture))
    return torch.stack(pixels)


def rate_results(rates: Rates) -> list[Result]:
    """The medians of the rounds as results."""
    ours, plain, alone = map(statistics.median, (rates.ours, rates.plain, rates.encoder_alone))
    return [
        measured(
            "indexing JPEG crops (baseline: plain loop)",
            ours,
            "images/s",
            baseline=plain,
            at_least=GOAL_RATE,
        ),
        measured("floor: the encoder alone, pixels ready", alone, "images/s"),
    ]


class RepeatedSource:
    """A folder read several times over under new keys; `resident` has the process's bytes after each pass."""

    def __init__(self, folder: Path, passes: int) -> None:
        from indexer.sources import open_source

        self._source, self._passes = open_source(f"folder:{folder}"), passes
        self.name = self._source.name
        self.total = (self._source.total or 0) * passes
        self.resident: list[int] = []

    def __iter__(self) -> "Iterator[RawImage | Rejected]":
        from indexer.items import RawImage

        for number in range(self._passes):
            for entry in self._source:
                if isinstance(entry, RawImage):
                    yield replace(entry, item=replace(entry.item, key=f"{number}:{entry.item.key}"))
                else:
                    yield replace(entry, key=f"{number}:{entry.key}")
            self.resident.append(resident_bytes())


def measure_memory(source: RepeatedSource, embedder: "Embedder", gallery: Path) -> Result:
    """Resident memory at the end of a long source against the one after its first third.

    Measured before anything else has run in this process, as freed memory would hide growth.
    """
    index_afresh(source, embedder, gallery)
    third, end = source.resident[len(source.resident) // 3 - 1], max(source.resident[-1], resident_bytes())
    return measured(
        f"resident memory after {source.total} images (baseline: after {source.total // 3})",
        end / MEGABYTE,
        "MB",
        baseline=third / MEGABYTE,
        at_most=third * GOAL_GROWTH / MEGABYTE,
    )
