"""What a run promises of its steps: none on numbers that are none, none that cannot be taken."""

import pytest
import torch
from training_toys import BACKBONE, pairs_recipe

from model.checkpoint import load_checkpoint, save_checkpoint
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError, TrainingError
from model.training import loop
from model.training.distributed import Team
from model.training.loop import train
from model.training.run import Run
from model.training.state import load_state


def _spoiled(batch):
    batch.pixels[0, 0, 0, 0] = float("nan")
    return batch


def test_a_loss_that_is_no_number_stops_before_the_step(folder, tmp_path):
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.encoder.train()
    run.take_step(run.data.source.batch(0))
    run.save()
    good = {name: value.clone() for name, value in run.encoder.state_dict().items()}
    with pytest.raises(
        TrainingError, match=r"The loss is nan in step 2.*of step 1, is in .*last_good; start again"
    ):
        run.take_step(_spoiled(run.data.source.batch(1)))
    assert all(torch.equal(value, good[name]) for name, value in run.encoder.state_dict().items())
    last = load_checkpoint(tmp_path / "last_good").state_dict()
    assert all(torch.equal(last[name], value) for name, value in good.items())


def test_a_loss_that_is_no_number_leaves_the_state_that_was_kept_while_all_was_well(folder, tmp_path):
    """The run had begun to lose what it had learned, which is why nothing was kept since step 1."""
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.encoder.train()
    run.take_step(run.data.source.batch(0))
    run.save()
    kept = (tmp_path / "state.pt").read_bytes()
    run.take_step(run.data.source.batch(1))
    with pytest.raises(TrainingError, match=r"in step 3.*of step 1, is in"):
        run.take_step(_spoiled(run.data.source.batch(2)))
    assert (tmp_path / "state.pt").read_bytes() == kept


def test_batch_statistics_that_took_in_no_number_are_not_kept(folder, tmp_path):
    vision = BACKBONE["vision"] | {"stem_widths": (8, 8)}
    encoder = {"backbone": BACKBONE | {"vision": vision}, "adapter": {"method": "full"}}
    run = Run(pairs_recipe(folder, "full", encoder=encoder), tmp_path, 0, False, Team())
    run.encoder.train()
    run.take_step(run.data.source.batch(0))
    run.save()
    with pytest.raises(TrainingError, match="The loss is nan"):
        run.take_step(_spoiled(run.data.source.batch(1)))
    kept = load_state(tmp_path / "state.pt")["weights"]
    last = load_checkpoint(tmp_path / "last_good").state_dict()
    assert any("running_mean" in name for name in kept)
    assert all(value.isfinite().all() for value in (*kept.values(), *last.values()))


def test_gradients_that_stay_no_numbers_in_float16_end_the_run(folder, tmp_path):
    """A scaler works on the CPU as well; each step that it passes over halves its scale of 65536."""
    run = Run(pairs_recipe(folder, epochs=10), tmp_path, 0, False, Team())
    run.scaler = torch.amp.GradScaler("cpu")
    run.encoder.train()
    run.trained[0].register_hook(lambda gradient: gradient * float("nan"))
    for step in range(17):
        run.take_step(run.data.source.batch(step))
    with pytest.raises(TrainingError, match="no numbers in float16, in step 18"):
        run.take_step(run.data.source.batch(17))


def test_a_gradient_that_is_no_number_stops_before_the_step(folder, tmp_path):
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.encoder.train()
    run.trained[0].register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match="The gradient is"):
        run.take_step(run.data.source.batch(0))
    assert run.step == 0


def test_a_loss_that_runs_away_stops_the_run_and_keeps_the_state_from_before(folder, tmp_path, monkeypatch):
    losses = iter([1.0] * 25 + [3.0] * 40)
    monkeypatch.setattr(Run, "take_step", lambda self, batch: _pretend(self, next(losses)))
    with pytest.raises(TrainingError, match=r"The loss has grown from 1.*last_good.*another --out"):
        train(pairs_recipe(folder, epochs=20, evaluate_every=1), tmp_path, workers=0)
    kept = load_state(tmp_path / "state.pt")
    assert 25 <= kept["step"] < 35  # at three times the old loss the smoothed one is half as high again then
    good = load_checkpoint(tmp_path / "last_good")
    assert good.config.adapter.method == "dm_adapter"


def _pretend(run, loss):
    run.step += 1
    run.watch.look(loss)
    return {"loss": loss}


def test_weights_that_half_precision_cannot_hold_end_a_run_with_one_sentence(folder, tmp_path):
    run = Run(pairs_recipe(folder, epochs=0), tmp_path, 0, False, Team())
    with torch.no_grad():
        run.trained[0].fill_(1e5)
    with pytest.raises(CheckpointError, match="more than float16 holds"):
        loop.finish(run)
    assert not (tmp_path / "encoder").exists()


def test_frozen_parameters_hold_neither_gradient_nor_optimizer_state(folder, tmp_path):
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.encoder.train()
    run.take_step(run.data.source.batch(0))
    frozen = [*run.encoder.visual.parameters(), *run.encoder.text.parameters()]
    assert frozen
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in frozen)
    assert not any(parameter in run.optimizer.state for parameter in frozen)
    assert len(run.optimizer.state) == len(run.encoder.trainable_parameters())


def test_an_adapter_that_does_not_fit_the_backbone_is_said(folder, tmp_path):
    save_checkpoint(tmp_path / "initial", PersonEncoder(pairs_recipe(folder, "full").encoder))
    changes = {"encoder": None, "initial": str(tmp_path / "initial"), "adapter": {"method": "cskt"}}
    recipe = pairs_recipe(folder, "cskt", **changes)
    with pytest.raises(
        ConfigError, match=r"depth 12 exceeds the towers' 2 and 2 layers; change it with --set"
    ):
        Run(recipe, tmp_path, 0, False, Team())


def test_a_network_without_a_place_for_every_word_is_refused(folder, tmp_path):
    text = BACKBONE["text"] | {"vocabulary_size": 100}
    encoder = {"backbone": BACKBONE | {"text": text}, "adapter": {"method": "full"}}
    with pytest.raises(ConfigError, match=r"has 100 words .* of 49408; give encoder\.backbone"):
        Run(pairs_recipe(folder, "full", encoder=encoder), tmp_path, 0, False, Team())


def test_a_batch_smaller_than_the_team_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="A batch of 8 is too small for 9 processes"):
        Run(pairs_recipe(folder), tmp_path, 0, False, Team(size=9))


def test_half_precision_needs_a_gpu(folder, tmp_path):
    with pytest.raises(ConfigError, match="CUDA"):
        Run(pairs_recipe(folder, precision="float16"), tmp_path, 0, False, Team())


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_bfloat16_products_keep_float32_weights(method, folder, tmp_path):
    exact = Run(pairs_recipe(folder, method), tmp_path / "a", 0, False, Team())
    rough = Run(pairs_recipe(folder, method, precision="bfloat16"), tmp_path / "b", 0, False, Team())
    losses = []
    for run in (exact, rough):
        run.encoder.train()
        losses.append(run.take_step(run.data.source.batch(0))["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]
    assert all(parameter.dtype == torch.float32 for parameter in rough.encoder.parameters())
    moments = [value for state in rough.optimizer.state.values() for value in state.values()]
    assert all(value.dtype == torch.float32 for value in moments)
