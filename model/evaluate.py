"""`cskt evaluate`: an encoder against a split of one or several data sets.

Prints R@1/5/10, mAP and mINP in percent, text to image and image to text. Every query ranks the whole
gallery; equal scores keep gallery order. With --slices also text to image by camera, length of the caption
and attribute.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import add_form_options, count
from model.errors import ConfigError

if TYPE_CHECKING:
    from model.datasets import DataPlace, LoadedSplit, Sample, Split
    from model.evaluation import Evaluation
    from model.slices import SliceReport
    from model.split_vectors import SplitEncoder


@dataclass(frozen=True)
class Measured:
    """What was found on one data set; `slices` only if they were asked for."""

    place: "DataPlace"
    split: "LoadedSplit"
    evaluation: "Evaluation"
    slices: "SliceReport | None"


def add_evaluate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt evaluate`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure an encoder on data sets: R@1/5/10, mAP, mINP",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--encoder", default="demo", help="demo, a checkpoint folder, or openclip:MODEL/PRETRAINED")
    add(
        "--data",
        action="append",
        metavar="NAME[:PATH]",
        help="cuhk_pedes, icfg_pedes, rstp_reid or folder and the folder that holds it (default data), or "
        "captions and its file; repeat it to measure on several",
    )
    add("--split", default="test", choices=("train", "val", "test"))
    add("--skip-bad", action="store_true", help="leave out entries and images that cannot be used")
    add("--limit", type=count, metavar="N", help="only the first N images and their captions")
    add("--slices", action="store_true", help="also by camera, caption length and attribute")
    add(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw the best and the worst rankings into DIR; they show the pictures of people",
    )
    add_form_options(parser)
    add("--batch-size", type=count, default=64, metavar="N")
    add("--workers", type=count, default=4, metavar="N", help="threads that decode images")
    add("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(run=run_evaluate, when_interrupted="the evaluation is not done.")


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate and print. Raises ConfigError, DatasetError or CheckpointError for what cannot be used."""
    from model.datasets import data_place

    if not arguments.data:
        raise ConfigError("No data set is named; give --data NAME[:PATH].")
    places = [data_place(text) for text in arguments.data]
    splits = [load_told(place, arguments.split, arguments.skip_bad, arguments.workers) for place in places]
    folders = _plot_folders(arguments.plots, places)
    from model.embedder import open_embedder

    embedder = open_embedder(arguments.encoder, arguments.device, arguments.precision)
    measured = [
        _measure(embedder, place, split, folder, arguments)
        for place, split, folder in zip(places, splits, folders, strict=True)
    ]
    if arguments.json:
        facts = {"encoder": arguments.encoder, "fingerprint": embedder.fingerprint, "split": arguments.split}
        facts["precision"] = embedder.precision
        print(json.dumps({**facts, "datasets": [_facts(one) for one in measured]}, indent=2))
    else:
        print(_tables(arguments.data, measured))
        print(f"\n{arguments.encoder} in {embedder.precision}")


def evaluate_encoder(
    encoder: "SplitEncoder", samples: "Sequence[Sample]", batch_size: int = 64, workers: int = 4
) -> "Evaluation":
    """Embed every image and caption of a split and rank them both ways.

    Images are decoded and resized by `workers` threads. Raises DatasetError naming an unreadable image,
    ValueError where there are no samples.
    """
    from model.evaluation import evaluate_vectors
    from model.split_vectors import embed_split

    vectors = embed_split(encoder, samples, batch_size, workers)
    return evaluate_vectors(vectors.images, vectors.texts, vectors.image_ids, vectors.caption_ids)


def load_told(place: "DataPlace", split: "Split", skip_bad: bool, workers: int) -> "LoadedSplit":
    """The split; what should be known of it and how much was left out is said on stderr."""
    from model.datasets import load_split
    from model.terminal import terminal_safe

    loaded = load_split(place.name, place.root, split, skip_bad, check_images=skip_bad, workers=workers)
    if loaded.notice:
        print(f"{place.name}: {terminal_safe(loaded.notice)}", file=sys.stderr)
    if loaded.rejected:
        told = f"{place.name}: {len(loaded.rejected)} left out, first {loaded.rejected[0]}"
        print(terminal_safe(told), file=sys.stderr)
    return loaded


def _plot_folders(folder: Path | None, places: "Sequence[DataPlace]") -> list[Path | None]:
    """Where the strips of each data set go: several sets get a folder each. Made before the long work."""
    if folder is None:
        return [None] * len(places)
    folders = [folder / f"{number}-{place.name}" for number, place in enumerate(places, start=1)]
    chosen = folders if len(places) > 1 else [folder]
    for one in chosen:
        one.mkdir(parents=True, exist_ok=True)
    return list(chosen)


def _measure(
    encoder: "SplitEncoder",
    place: "DataPlace",
    split: "LoadedSplit",
    strips: Path | None,
    arguments: argparse.Namespace,
) -> Measured:
    from model.evaluation import evaluate_ranks, rank_vectors
    from model.plots import write_strips
    from model.slices import slice_report
    from model.split_vectors import embed_split

    samples = first_images(split.samples, arguments.limit)
    vectors = embed_split(encoder, samples, arguments.batch_size, arguments.workers)
    caption_ids, image_ids = vectors.caption_ids, vectors.image_ids
    forth = rank_vectors(vectors.texts, vectors.images, caption_ids, image_ids)
    back = rank_vectors(vectors.images, vectors.texts, image_ids, caption_ids)
    if strips is not None:
        for path in write_strips(strips, vectors, forth):
            print(f"written, with pictures of people: {path}", file=sys.stderr)
    slices = slice_report(samples, forth) if arguments.slices else None
    return Measured(place, split, evaluate_ranks(forth, back, caption_ids, image_ids), slices)


def first_images(samples: "Sequence[Sample]", limit: int | None) -> "list[Sample]":
    """The samples of the first `limit` images; all of them without a limit."""
    kept = set(list(dict.fromkeys(sample.image_id for sample in samples))[:limit])
    return [sample for sample in samples if sample.image_id in kept]


def _facts(measured: Measured) -> dict[str, object]:
    """One data set of the JSON."""
    facts: dict[str, object] = {
        "name": measured.place.name,
        "root": str(measured.place.root),
        "notice": measured.split.notice,
        "rejected": list(measured.split.rejected),
        **asdict(measured.evaluation),
    }
    return facts if measured.slices is None else facts | asdict(measured.slices)


def _tables(names: Sequence[str], measured: Sequence[Measured]) -> str:
    from model.evaluation_tables import figures_table, slices_table

    parts = [figures_table([(name, one.evaluation) for name, one in zip(names, measured, strict=True)])]
    for name, one in zip(names, measured, strict=True):
        if one.slices is not None:
            parts.append((f"{name}\n" if len(measured) > 1 else "") + slices_table(one.slices))
    return "\n\n".join(parts)
