"""How much memory a process needs that opens an encoder and embeds pictures: asked of one of its own."""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.bench_forms import Subject
from model.bench_report import forget_peak, peak_bytes
from model.checkpoint import save_checkpoint
from model.embedder import open_embedder
from model.inference.cost import text_cost, vision_cost
from model.inference.folding import fold_text, fold_vision
from model.inference.precision import DTYPES, Precision, precisions_of

TURNS = 3


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a process at most, while it opens an encoder and while it encodes; those of its
    weights."""

    title: str
    opening: int
    encoding: int
    weights: int


def most_memory(subject: Subject) -> list[Memory]:
    """In every precision that needs no scales, over the subject's pictures."""
    found = []
    with tempfile.TemporaryDirectory(prefix="cskt-bench-") as place:
        save_checkpoint(place, subject.encoder)
        for precision in precisions_of(subject.device):
            if precision != "int8":
                opening, encoding = _in_own_process(Path(place), precision, subject.pixels)
                title = f"{subject.title}: {len(subject.pixels)} pictures, {precision}"
                found.append(Memory(title, opening, encoding, weight_bytes(subject, precision)))
    return found


def weight_bytes(subject: Subject, precision: Precision) -> int:
    """Of both towers with the words' table."""
    text = fold_text(subject.encoder)
    weights = vision_cost(fold_vision(subject.encoder)).weights + text_cost(text, 1).weights
    return (weights + text.words.numel()) * DTYPES[precision].itemsize


def _in_own_process(place: Path, precision: Precision, pixels: torch.Tensor) -> tuple[int, int]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peaks, str(place), precision, pixels.numpy()).result()


def _peaks(place: str, precision: Precision, pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Runs in a process of its own."""
    embedder = open_embedder(place, "cpu", precision)
    opening = peak_bytes()
    forget_peak()
    for _ in range(TURNS):
        embedder.embed_pixels(torch.from_numpy(pixels))
    return opening, peak_bytes()
