"""A data set of noise and a tiny network: what the tests of the trainer learn from and with."""

import json

import numpy as np
from PIL import Image

from model.training.recipe import Recipe

BACKBONE = {
    "name": "tiny",
    "embed_dim": 16,
    "vision": {
        "image_size": (32, 16),
        "patch_size": 8,
        "stride": 8,
        "width": 32,
        "layers": 2,
        "heads": 1,
    },
    "text": {"width": 32, "heads": 1, "layers": 2},
}
ADAPTERS = {
    "full": {"method": "full"},
    "cskt": {"method": "cskt", "prompts": 2, "depth": 2},
    "dm_adapter": {"method": "dm_adapter", "experts": 4, "top_k": 2},
}
COLOURS = ("red", "green", "blue", "white", "black", "grey", "yellow")
LOSSES = {
    "full": [{"kind": "itc"}],
    "cskt": [{"kind": "sdm"}],
    "dm_adapter": [{"kind": "sdm"}, {"kind": "balance"}],
}
EVERYTHING = {
    "average_weights": 0.9,
    "noise_robust": 1,
    "losses": [{"kind": "sdm"}, {"kind": "balance"}, {"kind": "identity"}, {"kind": "hard_captions"}],
    "hidden_words": 0.1,
    "evaluate_every": 2,
}
"""Changes that give a run every part that a state holds."""


def write_pairs(folder, identities=6, images=2, splits=("train", "val", "test")):
    """A `folder` data set: in each split so many people, on so many pictures of noise, two captions each."""
    rng = np.random.default_rng(0)
    (folder / "imgs").mkdir(parents=True)
    entries = []
    for part, split in enumerate(splits):
        for number in range(identities * images):
            name = f"{split}_{number}.png"
            noise = rng.integers(0, 256, (40, 20, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / "imgs" / name)
            colour = COLOURS[number % len(COLOURS)]
            captions = [
                f"A man in a {colour} coat.",
                f"Someone wearing {colour} trousers and number {number}.",
            ]
            entry = {"split": split, "captions": captions, "file_path": name}
            entries.append(entry | {"id": 1000 * part + number // images})
    (folder / "reid_raw.json").write_text(json.dumps(entries))
    return folder


def pairs_recipe(folder, method="dm_adapter", **changes):
    """A short run of a method on `write_pairs`: 24 captions, three batches of 8 an epoch, two epochs."""
    entries = {
        "name": "toy",
        "purpose": "tests",
        "encoder": {"backbone": BACKBONE, "adapter": ADAPTERS[method]},
        "data": {"kind": "captioned", "name": "folder", "root": str(folder)},
        "losses": LOSSES[method],
        "optimizer": {"learning_rate": 1e-3},
        "schedule": {"unit": "step", "warmup": 1},
        "batch_size": 8,
        "epochs": 2,
        "shorten_captions": True,
    }
    return Recipe.model_validate(entries | changes)
