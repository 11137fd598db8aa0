"""`cskt train RECIPE --out RUN`: start or resume a training run."""

import argparse
import json
from pathlib import Path
from typing import Any


def add_train(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt train`."""
    parser = subparsers.add_parser(
        "train",
        help="train an encoder from a recipe; run it again to resume",
        description="Runs a recipe to its end and measures the encoder. Several GPUs: "
        "torchrun --nproc-per-node N -m service train RECIPE.",
    )
    parser.add_argument("recipe", help="a recipe by name (model/recipes) or the path of a .toml file")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/RECIPE)")
    parser.add_argument(
        "--data",
        metavar="NAME[:PATH]",
        help="train on this data set: cuhk_pedes, icfg_pedes, rstp_reid, folder, or captions:PAIRS.csv",
    )
    parser.add_argument(
        "--initial", metavar="ENCODER", help="start from demo, a checkpoint folder or openclip:MODEL/WEIGHTS"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave unusable images and captions out")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="override one entry")
    add_machine_options(parser)
    parser.add_argument("--tensorboard", action="store_true", help="write event files as well")
    parser.set_defaults(run=run_train)


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """What changes the time a run takes, and nothing else."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--workers", type=int, default=2, help="processes that make batches (default 2)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")


def overrides_of(arguments: argparse.Namespace) -> list[str]:
    """The options that stand for entries of a recipe, as `--set` would write them, before those of --set."""
    from model.datasets import data_place

    found = []
    if arguments.data:
        place = data_place(arguments.data)
        found += [
            "data.kind=captioned",
            f"data.name={place.name}",
            f"data.root={json.dumps(str(place.root))}",
        ]
    if arguments.initial:
        found.append(f"initial={json.dumps(arguments.initial)}")
    if arguments.skip_bad:
        found.append("data.skip_bad=true")
    return [*found, *arguments.set]


def run_train(arguments: argparse.Namespace) -> int:
    """Train to the end of the recipe and say where the checkpoint is."""
    from model.training.distributed import team
    from model.training.loop import train
    from model.training.recipe import load_recipe

    recipe = load_recipe(arguments.recipe, overrides_of(arguments))
    out = arguments.out or Path("runs") / recipe.name
    workers = max(arguments.workers, 0)
    with team(arguments.device) as processes:
        checkpoint = train(recipe, out, workers, arguments.compile, arguments.tensorboard, processes)
        print_summary(out, checkpoint)
    return 0


def print_summary(out: Path, checkpoint: Path) -> None:
    """What the run reached, and what to do with it."""
    from model.training.state import load_json

    for line in summary(load_json(out / "results.json")):
        print(line)
    print(f"The encoder is in {checkpoint}; use it with --encoder {checkpoint}")


def summary(results: dict[str, Any]) -> list[str]:
    """What a finished run reached, on the parts it was measured on, and by which protocol."""
    lines = []
    for name in ("watched", "reported"):
        part = results.get(name)
        if part is not None:
            found, (low, high) = part["text_to_image"], part["r1_interval"]
            lines.append(
                f"{part['split']}: R@1 {found['r1']:.1f} (95 %: {low:.1f} to {high:.1f}), "
                f"R@10 {found['r10']:.1f}, mAP {found['mean_ap']:.1f}, text to image"
            )
    return [*lines, f"protocol: {results['protocol']}"]
