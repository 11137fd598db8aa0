"""`cskt reproduce` from annotations in each published form to the table, with a network of one block."""

import argparse
import json
import statistics

import numpy as np
import pytest
from PIL import Image
from tiny_encoder import tiny_checkpoint

from model.training.published import PUBLISHED
from model.training.recipe import RECIPES, load_recipe
from model.training.reproduce import SHORT_NAMES, add_reproduce, report, run_reproduce

FORMS = {
    "cuhk_pedes": ("CUHK-PEDES/reid_raw.json", "file_path", 1, 2, ("train", "val", "test")),
    "icfg_pedes": ("ICFG-PEDES/ICFG_PEDES.json", "file_path", 0, 1, ("train", "test")),
    "rstp_reid": ("RSTPReid/data_captions.json", "img_path", 0, 2, ("train", "val", "test")),
}
ROUNDS = ["epochs=1", "batch_size=4", "schedule.warmup=0", "precision=float32"]


def write_published(root, name):
    """Six people a split, one picture of noise each, in the data set's own form."""
    file, key, first, captions, splits = FORMS[name]
    rng, entries = np.random.default_rng(0), []
    images = (root / file).parent / "imgs"
    images.mkdir(parents=True)
    for part, split in enumerate(splits):
        for number in range(6):
            picture = f"{split}{number}.png"
            Image.fromarray(rng.integers(0, 256, (40, 20, 3), dtype=np.uint8)).save(images / picture)
            told = [f"Person {number} in {split}.", f"A man, number {number}."][:captions]
            identity = number + first + (100 * part)
            entries.append({"split": split, "captions": told, key: picture, "id": identity})
    (root / file).write_text(json.dumps(entries))


def arguments(*words):
    parser = argparse.ArgumentParser()
    add_reproduce(parser.add_subparsers())
    return parser.parse_args(["reproduce", *map(str, words)])


@pytest.mark.parametrize("method", ["cskt", "dm_adapter", "full"])
@pytest.mark.parametrize("name", FORMS)
def test_from_annotations_to_the_table(name, method, tmp_path, capsys):
    write_published(tmp_path / "data", name)
    tiny = tiny_checkpoint(tmp_path / "clip", seed=1)
    depth = ["adapter.depth=1"] if method == "cskt" else []
    options = [part for entry in [*ROUNDS, *depth] for part in ("--set", entry)]
    given = arguments(
        f"{name}:{tmp_path / 'data'}", "--method", method, "--seeds", 2, "--initial", tiny, "--workers", 0,
        "--out", tmp_path / "out", *options,
    )  # fmt: skip
    assert run_reproduce(given) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "reproduce.json").read_text())
    found = [result["reported"]["text_to_image"]["r1"] for result in results]
    assert f"{statistics.mean(found):.2f} ± {statistics.stdev(found):.2f}" in printed
    assert f"{PUBLISHED[method, name].r1:.2f}" in printed
    assert "chosen on test" in printed  # said of the paper's figures
    selected = "last step" if name == "icfg_pedes" else "the best moment on validation"
    assert f"protocol: {selected}" in printed.replace("the last step", "last step")
    kept = json.loads((tmp_path / "out" / "seed_2" / "recipe.json").read_text())
    assert (kept["seed"], kept["data"]["name"]) == (2, name)
    assert [loss["kind"] for loss in kept["losses"]] == [loss.kind for loss in load_recipe(method).losses]


def test_every_published_figure_has_its_recipe():
    assert all((RECIPES / f"{method}_{SHORT_NAMES[name]}.toml").exists() for method, name in PUBLISHED)


def result(r1):
    figures = {"r1": r1, "r5": 80.0, "r10": 90.0, "mean_ap": 60.0, "mean_inp": 50.0}
    cost = {"trainable": 10, "total": 100, "trainable_percent": 10.0, "seconds": 5.0, "peak_memory_mb": 7}
    return {"reported": {"text_to_image": figures}, "protocol": "as told", "cost": cost}


def test_the_table_holds_mean_and_standard_deviation_beside_the_paper():
    lines = report("cskt", "rstp_reid", [result(50.0), result(53.0), result(56.0)]).splitlines()
    assert lines[2].split()[:4] == ["ours", "53.00", "±", "3.00"]
    assert lines[3].split() == ["paper", "57.75", "81.30", "88.35", "46.43", "-"]


def test_one_run_has_no_spread_and_unpublished_data_no_paper():
    text = report("cskt", "folder", [result(50.0)])
    assert "±" not in text.splitlines()[2]
    assert "paper" not in text
