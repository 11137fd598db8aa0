"""How much memory a process needs that opens an encoder and embeds pictures: asked of one of its own."""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
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


def peak_while_encoding(subject: Subject, batch: int) -> list[tuple[str, int, int]]:
    """Title, most bytes held, bytes of the weights: in every precision that needs no scales."""
    found = []
    with tempfile.TemporaryDirectory(prefix="cskt-bench-") as place:
        save_checkpoint(place, subject.encoder)
        for precision in precisions_of(subject.device):
            if precision != "int8":
                peak = _in_own_process(Path(place), precision, subject.pixels[:batch])
                title = f"{subject.title}: {batch} pictures, {precision}"
                found.append((title, peak, weight_bytes(subject, precision)))
    return found


def weight_bytes(subject: Subject, precision: Precision) -> int:
    """Of both towers with the words' table."""
    text = fold_text(subject.encoder)
    weights = vision_cost(fold_vision(subject.encoder)).weights + text_cost(text, 1).weights
    return (weights + text.words.numel()) * DTYPES[precision].itemsize


def _in_own_process(place: Path, precision: Precision, pixels: torch.Tensor) -> int:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak, str(place), precision, pixels.numpy()).result()


def _peak(place: str, precision: Precision, pixels: NDArray[np.uint8]) -> int:
    """Runs in a process of its own: the most it holds while it embeds pictures, its encoder opened before."""
    embedder = open_embedder(place, "cpu", precision)
    forget_peak()
    for _ in range(TURNS):
        embedder.embed_pixels(torch.from_numpy(pixels))
    return peak_bytes()
