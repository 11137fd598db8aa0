"""The loop: it learns, a resumed run equals an uninterrupted one, and only what should move moves."""

import json
import math

import pytest
import torch

from model.checkpoint import load_checkpoint
from model.errors import CheckpointError, ConfigError
from model.people.attributes import ATTRIBUTES
from model.text_mask import MASK_ID
from model.training.batches import prefetched
from model.training.distributed import Team
from model.training.loop import train
from model.training.recipe import Recipe
from model.training.run import Run, make_unseen_words_neutral
from model.training.state import load_state, save_state

BACKBONE = {
    "name": "tiny",
    "embed_dim": 16,
    "vision": {
        "image_size": (32, 16),
        "patch_size": 8,
        "stride": 8,
        "width": 32,
        "layers": 1,
        "heads": 1,
        "stem_widths": (8, 8),
    },
    "text": {"width": 32, "heads": 1, "layers": 1},
}
CLASSES = {name: len(classes) for name, classes in ATTRIBUTES.items()}


def recipe(**changes):
    entries = {
        "name": "tiny",
        "purpose": "tests",
        "encoder": {"backbone": BACKBONE, "adapter": {"method": "full"}},
        "data": {
            "kind": "synthetic_people",
            "domains": {"base": 1.0},
            "shapes": 8,
            "views": 1,
            "looks": 1,
            "captions": 2,
            "view_size": (64, 32),
            "validation_identities": 3,
        },
        "losses": [{"kind": "itc", "scale": 10.0}, {"kind": "attributes", "classes": CLASSES}],
        "optimizer": {"kind": "adamw", "learning_rate": 3e-3, "eps": 1e-6},
        "schedule": {"unit": "step", "warmup": 1},
        "batch_size": 8,
        "steps": 4,
        "evaluate_every": 4,
        "hidden_words": 0.1,
        "neutral_unseen_words": True,
    }
    return Recipe.model_validate(entries | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train(recipe(), out, workers=0)
    return out


def weights(folder):
    return load_checkpoint(folder).state_dict()


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(finished, tmp_path):
    run = Run(recipe(), tmp_path, 1, False, Team())
    run.encoder.train()
    for batch in prefetched(run.data.source, 0, 2, 0):
        run.take_step(batch)
    run.save()
    resumed = weights(train(recipe(), tmp_path, workers=0))
    for name, tensor in weights(finished / "encoder").items():
        assert torch.equal(tensor, resumed[name]), name


def test_the_journal_holds_validation_figures(finished):
    entries = [json.loads(line) for line in (finished / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert entries[-1]["step"] == 4
    assert 0 <= entries[-1]["r1"] <= entries[-1]["r10"] <= 100


def test_another_recipe_in_the_same_folder_is_refused(finished):
    with pytest.raises(ConfigError, match="another recipe"):
        train(recipe(seed=99), finished, workers=0)


def test_training_heads_stay_out_of_the_checkpoint(finished):
    assert not [name for name in weights(finished / "encoder") if "head" in name]


def test_losses_fall_when_the_same_batch_is_repeated(tmp_path):
    run = Run(recipe(hidden_words=0.0), tmp_path, 1, False, Team())
    run.encoder.train()
    batch = run.data.source.batch(0)
    losses = []
    for _ in range(25):
        run.step = 1  # past the warm-up, at the full rate
        losses.append(run.take_step(batch)["loss"])
    assert losses[-1] < 0.7 * losses[0]


def test_an_adapter_run_leaves_the_backbone_alone(finished, tmp_path):
    adapted = recipe(
        encoder=None,
        initial=str(finished / "encoder"),
        adapter={"method": "dm_adapter"},
        losses=[{"kind": "sdm"}, {"kind": "balance", "weight": 0.5}],
        neutral_unseen_words=False,
        published_text_mask=True,
        optimizer={"kind": "adam", "learning_rate": 1e-2},
    )
    before, after = weights(finished / "encoder"), weights(train(adapted, tmp_path, workers=0))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    added = {name: tensor for name, tensor in after.items() if name not in before}
    ups = [tensor for name, tensor in added.items() if "up" in name]
    assert ups
    assert any(float(tensor.abs().max()) > 0 for tensor in ups)  # they start at zero


def test_unseen_words_get_the_mask_tokens_embedding(tmp_path):
    run = Run(recipe(), tmp_path, 1, False, Team())
    table = run.encoder.text.token_embedding.weight
    seen = torch.zeros(len(table), dtype=torch.bool)
    seen[[10, 11, MASK_ID]] = True
    kept = table[[10, 11]].clone()
    make_unseen_words_neutral(run.encoder, seen)
    assert torch.equal(table[[10, 11]], kept)
    assert torch.equal(table[12], table[MASK_ID])


def test_a_damaged_state_is_named(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"step": 3})
    assert load_state(path) == {"step": 3}
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path)


def test_a_longer_schedule_leaves_the_rate_where_it_stands(tmp_path):
    longer = recipe(steps=4, schedule_steps=40, schedule={"unit": "step", "warmup": 0})
    run = Run(longer, tmp_path, 1, False, Team())
    run.encoder.train()
    run.step = 3
    run.take_step(run.data.source.batch(0))
    expected = 3e-3 * 0.5 * (1 + math.cos(math.pi * 3 / 40))
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(expected)
