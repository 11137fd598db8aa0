"""`cskt evaluate`: an encoder against a split of a data set."""

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from model.arguments import count

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from model.datasets import Sample
    from model.evaluation import Evaluation
    from model.transforms import Preprocess

AHEAD = 3
"""Batches of images decoded ahead of the encoder."""


class SplitEncoder(Protocol):
    """What an evaluation needs of an encoder; `model.embedder.Embedder` fits."""

    @property
    def preprocess(self) -> "Preprocess":
        """Turns a picture into pixels; called in worker threads."""

    def embed_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Sentences -> (n, dimension) unit vectors."""

    def embed_pixels(self, pixels: "torch.Tensor") -> "NDArray[np.float32]":
        """Pixels (n, 3, height, width) -> (n, dimension) unit vectors."""


def add_evaluate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt evaluate`."""
    parser = subparsers.add_parser(
        "evaluate", help="measure an encoder on a data set: R@1/5/10, mAP, mINP", description=__doc__
    )
    parser.add_argument(
        "--encoder", default="demo", help="demo, a checkpoint folder, or openclip:MODEL/PRETRAINED"
    )
    parser.add_argument("--dataset", default="folder", help="cuhk_pedes, icfg_pedes, rstp_reid or folder")
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder that holds the data set"
    )
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N images and their captions")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batch-size", type=count, default=64, metavar="N")
    parser.add_argument("--workers", type=count, default=4, metavar="N", help="threads that decode images")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate and print. Raises DatasetError or CheckpointError for what cannot be used."""
    from model.datasets import load_split

    samples = load_split(arguments.dataset, arguments.root, arguments.split)
    if arguments.limit is not None:
        samples = [sample for sample in samples if sample.image_id < arguments.limit]
    from model.embedder import open_embedder

    embedder = open_embedder(arguments.encoder, device=arguments.device)
    result = evaluate_encoder(embedder, samples, batch_size=arguments.batch_size, workers=arguments.workers)
    if arguments.json:
        facts = {
            "encoder": arguments.encoder,
            "fingerprint": embedder.fingerprint,
            "dataset": arguments.dataset,
        }
        print(json.dumps({**facts, "split": arguments.split, **asdict(result)}, indent=2))
    else:
        print(table(result))


def evaluate_encoder(
    encoder: SplitEncoder, samples: "Sequence[Sample]", batch_size: int = 64, workers: int = 4
) -> "Evaluation":
    """Embed every image and caption of a split and rank them both ways.

    Images are decoded and resized by `workers` threads. Raises DatasetError naming an unreadable image.
    """
    import numpy as np

    from model.evaluation import evaluate_vectors
    from model.progress import Progress

    shown = list({sample.image_id: sample for sample in samples}.values())
    texts, images = [], []
    with Progress("captions", len(samples)) as progress:
        for start in range(0, len(samples), batch_size):
            captions = [sample.caption for sample in samples[start : start + batch_size]]
            texts.append(encoder.embed_texts(captions))
            progress.advance(len(captions))
    with Progress("images", len(shown)) as progress:
        for pixels in _pixel_batches(encoder.preprocess, shown, batch_size, workers):
            images.append(encoder.embed_pixels(pixels))
            progress.advance(len(pixels))
    return evaluate_vectors(
        np.concatenate(images),
        np.concatenate(texts),
        [sample.identity for sample in shown],
        [sample.identity for sample in samples],
    )


def table(result: "Evaluation") -> str:
    """The figures for people."""
    low, high = result.r1_interval
    lines = [
        f"{result.captions} captions, {result.images} images, {result.identities} people",
        f"{'':14}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'mAP':>8}{'mINP':>8}",
    ]
    for title, metrics in (("text to image", result.text_to_image), ("image to text", result.image_to_text)):
        lines.append(f"{title:14}" + "".join(f"{value:8.2f}" for value in asdict(metrics).values()))
    return "\n".join([*lines, f"R@1 text to image, 95 % confidence over people: {low:.2f} .. {high:.2f}"])


def _pixel_batches(
    preprocess: "Callable[[NDArray[np.uint8]], torch.Tensor]",
    samples: "Sequence[Sample]",
    batch_size: int,
    workers: int,
) -> "Iterator[torch.Tensor]":
    """Pixels (up to batch_size, 3, height, width) in order, at most AHEAD batches in memory."""
    import torch

    from model.datasets.samples import read_image

    def prepare(path: Path) -> torch.Tensor:
        return preprocess(read_image(path))

    paths = iter([sample.path for sample in samples])
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[Future[torch.Tensor]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(prepare, path))
                if len(waiting) == AHEAD * batch_size:
                    yield torch.stack([waiting.popleft().result() for _ in range(batch_size)])
            while waiting:
                yield torch.stack([waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))])
        finally:
            for future in waiting:
                future.cancel()
