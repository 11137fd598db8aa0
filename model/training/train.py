"""`cskt train RECIPE --out RUN`: start or resume a training run."""

import argparse
from pathlib import Path


def add_train(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt train`."""
    parser = subparsers.add_parser("train", help="train an encoder from a recipe; run it again to resume")
    parser.add_argument("recipe", help="a recipe by name (model/recipes) or the path of a .toml file")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/RECIPE)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="override one entry")
    parser.add_argument("--workers", type=int, default=2, help="processes that make batches (default 2)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    parser.set_defaults(run=run_train)


def run_train(arguments: argparse.Namespace) -> int:
    """Train to the end of the recipe and say where the checkpoint is."""
    from model.training.loop import train
    from model.training.recipe import load_recipe

    recipe = load_recipe(arguments.recipe, arguments.set)
    out = arguments.out or Path("runs") / recipe.name
    checkpoint = train(recipe, out, max(arguments.workers, 0), arguments.compile)
    print(f"The encoder is in {checkpoint}; use it with --encoder {checkpoint}")
    return 0
