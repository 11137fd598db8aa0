"""`cskt reproduce DATA --method METHOD --seeds N`: train with several seeds, beside the paper's figures."""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.arguments import count
from model.errors import DatasetError
from model.training.train import add_machine_options, overrides_of
from model.whole_file import write_whole

if TYPE_CHECKING:
    from model.datasets import DataPlace
    from model.training.recipe import Recipe

SHORT_NAMES = {"cuhk_pedes": "cuhk", "icfg_pedes": "icfg", "rstp_reid": "rstp"}


def add_reproduce(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt reproduce`."""
    parser = subparsers.add_parser(
        "reproduce",
        help="train a method with several seeds and print mean and spread beside the paper's figures",
        description="Trains the method's recipe once a seed, measures each on the test split, and prints "
        "mean and standard deviation beside the paper's figures. Run it again to resume.",
    )
    parser.add_argument(
        "data",
        metavar="DATA[:PATH]",
        help="cuhk_pedes, icfg_pedes, rstp_reid, folder or captions:PAIRS.csv",
    )
    parser.add_argument(
        "--method", required=True, help="full, cskt, dm_adapter, single_adapter, zero_shot or a .toml file"
    )
    parser.add_argument(
        "--seeds", type=count, default=3, metavar="N", help="runs, of seeds 1 .. N (default 3)"
    )
    parser.add_argument(
        "--paper-protocol", action="store_true", help="choose the best epoch on test, as the authors did"
    )
    parser.add_argument(
        "--initial", metavar="ENCODER", help="start from another encoder than the paper's CLIP"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave unusable images and captions out")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="override one entry")
    parser.add_argument("--out", type=Path, help="folder of the runs (default: runs/METHOD_DATA)")
    add_machine_options(parser)
    parser.set_defaults(run=run_reproduce)


def run_reproduce(arguments: argparse.Namespace) -> int:
    """Train what is not trained yet, then print the table and keep it as reproduce.json."""
    from model.datasets import data_place
    from model.training.distributed import team
    from model.training.loop import train
    from model.training.state import load_json

    place = data_place(arguments.data)
    require_test(place)
    name = place.name
    recipes = [recipe_of(arguments, name, seed) for seed in range(1, arguments.seeds + 1)]
    method = Path(arguments.method).stem
    out = arguments.out or Path("runs") / f"{method}_{name}"
    results = []
    with team(arguments.device) as processes:
        for recipe in recipes:
            run = out / f"seed_{recipe.seed}"
            train(recipe, run, max(arguments.workers, 0), arguments.compile, processes=processes)
            results.append(load_json(run / "results.json"))
        print(report(method, name, results))
        if processes.leads:
            write_whole(out / "reproduce.json", json.dumps(results, indent=1) + "\n")
    return 0


def require_test(place: "DataPlace") -> None:
    """Raise DatasetError where there is no test split to compare on."""
    from model.datasets import available_splits

    if "test" not in available_splits(place.name, place.root):
        raise DatasetError(f"{place.root} has no test split to measure on; mark some people's rows as test.")


def recipe_of(arguments: argparse.Namespace, name: str, seed: int) -> "Recipe":
    """The method's recipe for the data set, with one seed; the method's plain recipe where there is none."""
    from model.training.recipe import RECIPES, load_recipe

    method = f"{arguments.method}_{SHORT_NAMES.get(name, name)}"
    if not (RECIPES / f"{method}.toml").exists():
        method = arguments.method
    protocol = ["paper_protocol=true"] if arguments.paper_protocol else []
    return load_recipe(method, [*protocol, *overrides_of(arguments), f"seed={seed}"])


def report(method: str, name: str, results: Sequence[dict[str, Any]]) -> str:
    """The table: mean and spread of the runs, the paper's figures, and what a run cost."""
    from model.training.loop import FIGURES
    from model.training.published import PUBLISHED

    measured = [result["reported"]["text_to_image"] for result in results]
    rows = [("", *FIGURES.values()), ("ours", *(_spread([one[key] for one in measured]) for key in FIGURES))]
    published = PUBLISHED.get((method, name))
    if published is not None:
        rows.append(("paper", *(_figure(getattr(published, key, None)) for key in FIGURES)))
    lines = [f"{row[0]:6}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows]
    cost = [result["cost"] for result in results]
    notes = [
        f"{method} on {name}, text to image, seeds: {len(results)} (mean ± standard deviation)",
        *lines,
        f"protocol: {results[0]['protocol']}",
        f"trainable {cost[0]['trainable']:,} of {cost[0]['total']:,} ({cost[0]['trainable_percent']} %), "
        f"{statistics.mean(one['seconds'] for one in cost):.0f} s a run, "
        f"peak memory {max(one['peak_memory_mb'] for one in cost)} MB",
    ]
    if published is not None:
        notes.append(f"the paper's figures: {published.source}; chosen on test")
    return "\n".join(notes)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
