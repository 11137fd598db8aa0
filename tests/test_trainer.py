"""What a run promises: nothing lost to a kill, no steps on numbers that are none, and honest reports."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
import torch
from training_toys import ADAPTERS, BACKBONE, pairs_recipe, write_pairs

from model.checkpoint import load_checkpoint, save_checkpoint
from model.datasets import load_split
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError, TrainingError
from model.training import loop
from model.training.confidence import ConfidenceRecord
from model.training.distributed import Team
from model.training.journal import record_start
from model.training.loop import train
from model.training.run import Run
from model.training.state import Best, load_state, save_state
from model.training.train import summary
from model.training.validation import SplitPart, measure

EVERYTHING = {
    "average_weights": 0.9,
    "noise_robust": 1,
    "losses": [{"kind": "sdm"}, {"kind": "balance"}, {"kind": "identity"}, {"kind": "hard_captions"}],
    "hidden_words": 0.1,
    "evaluate_every": 2,
}
STEPS = 6


class Killed(BaseException):
    """Stands for the end of the process: nothing behind it runs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    train(pairs_recipe(folder, **EVERYTHING), out, workers=0)
    return out


def assert_same_run(one, other):
    first, second = (
        load_checkpoint(one / "encoder").state_dict(),
        load_checkpoint(other / "encoder").state_dict(),
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    states = [load_state(out / "state.pt") for out in (one, other)]
    for part in ("weights", "losses", "averaged", "confidence"):
        assert states[0][part].keys() == states[1][part].keys()
        assert all(torch.equal(value, states[1][part][name]) for name, value in states[0][part].items()), part
    moments = [state["optimizer"]["state"] for state in states]
    for index, moment in moments[0].items():
        assert all(torch.equal(value, moments[1][index][name]) for name, value in moment.items())


@pytest.mark.parametrize("killed_after", range(1, STEPS))
def test_killed_at_any_step_and_resumed_it_is_the_same_run(
    killed_after, folder, whole, tmp_path, monkeypatch
):
    recipe = pairs_recipe(folder, **EVERYTHING)
    step = Run.take_step

    def dying(self, batch):
        if self.step == killed_after:
            raise Killed
        return step(self, batch)

    monkeypatch.setattr(Run, "take_step", dying)
    with pytest.raises(Killed):
        train(recipe, tmp_path, workers=0)
    monkeypatch.setattr(Run, "take_step", step)
    train(recipe, tmp_path, workers=0)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("stopped_in", range(1, STEPS))
def test_a_wish_to_stop_is_obeyed_after_the_step_it_came_in(stopped_in, folder, whole, tmp_path, monkeypatch):
    recipe, step = pairs_recipe(folder, **EVERYTHING), Run.take_step

    def interrupted(self, batch):
        if self.step + 1 == stopped_in:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(Run, "take_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, workers=0)
    assert load_state(tmp_path / "state.pt")["step"] == stopped_in
    monkeypatch.setattr(Run, "take_step", step)
    train(recipe, tmp_path, workers=0)
    assert_same_run(whole, tmp_path)


def test_an_evaluation_that_was_interrupted_is_made_again(folder, whole, tmp_path, monkeypatch):
    recipe, measured = pairs_recipe(folder, **EVERYTHING), loop._measured

    def impatient(run, part):
        if run.step == 4:
            raise KeyboardInterrupt
        return measured(run, part)

    monkeypatch.setattr(loop, "_measured", impatient)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, workers=0)
    monkeypatch.setattr(loop, "_measured", measured)
    train(recipe, tmp_path, workers=0)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [0, 2, 4, 6]
    assert_same_run(whole, tmp_path)


def test_the_best_moment_of_a_run_that_was_given_up_is_forgotten(folder, tmp_path):
    stale = Best(tmp_path / "best.pt")
    stale.offer(99.0, 7, Run(pairs_recipe(folder, seed=5), tmp_path, 0, False, Team()).encoder)
    train(pairs_recipe(folder), tmp_path, workers=0)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["selected_r1"] < 99
    assert results["selected_at_step"] < 7


def test_what_is_reported_is_what_the_saved_encoder_reaches(whole, folder):
    part = SplitPart("test", load_split("folder", folder, "test").samples, 1)
    found = measure(part, load_checkpoint(whole / "encoder"), torch.device("cpu"))
    results = json.loads((whole / "results.json").read_text())
    assert json.loads(json.dumps(asdict(found))) == {
        key: value for key, value in results["reported"].items() if key != "split"
    }


def test_kill_9_leaves_a_run_that_resumes(folder, whole, tmp_path):
    overrides = ["data.kind=captioned", "data.name=folder", f'data.root="{folder}"']
    (tmp_path / "toy.toml").write_text(_toml(pairs_recipe(folder, **EVERYTHING)))
    command = [sys.executable, "-m", "service", "train", str(tmp_path / "toy.toml"), "--workers", "0"]
    command += ["--out", str(tmp_path / "run"), *(part for entry in overrides for part in ("--set", entry))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    state = tmp_path / "run" / "state.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "results.json").exists(), "it was finished before it was killed"
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert_same_run(whole, tmp_path / "run")


def _toml(recipe):
    """The recipe as TOML, without what is None: strings, numbers and tables are written the same as JSON."""
    entries = recipe.model_dump(mode="json", exclude_none=True)
    lines = []
    for key, value in entries.items():
        lines.append(f"{key} = {_inline(value)}")
    return "\n".join(lines)


def _inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(part) for part in value) + "]"
    return json.dumps(value)


def test_a_finished_run_is_not_run_again(whole, folder, monkeypatch):
    monkeypatch.setattr(Run, "take_step", lambda self, batch: pytest.fail("a step was taken"))
    assert train(pairs_recipe(folder, **EVERYTHING), whole) == whole / "encoder"


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


def test_the_state_of_an_adapter_run_leaves_the_backbone_out(folder, tmp_path):
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.save()
    assert all(name.startswith("adapter.") for name in load_state(tmp_path / "state.pt")["weights"])


def test_the_run_folder_tells_what_was_done(whole, folder):
    (start,) = json.loads((whole / "run.json").read_text())
    assert start["seed"] == 1
    assert start["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert {"commit", "machine", "command", "processes"} <= start.keys()
    entries = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [0, 2, 4, 6]
    assert all(0 <= entry["r1"] <= entry["r10"] <= 100 for entry in entries)
    assert json.loads((whole / "recipe.json").read_text())["data"]["root"] == str(folder)


def test_the_best_moment_on_validation_is_what_is_kept_and_test_is_measured_once(
    folder, tmp_path, monkeypatch
):
    """R@1 on validation rises to step 2 and falls behind it; the weights of step 2 must come out."""
    judged, kept = iter([10.0, 30.0, 20.0, 30.0]), {}

    def pretend(run, part):
        assert part.split == "val"
        kept[run.step] = {name: value.clone() for name, value in run.encoder.state_dict().items()}
        return {"r1": next(judged)}

    monkeypatch.setattr(loop, "_measured", pretend)
    measured = []
    monkeypatch.setattr(loop, "_figures_of", lambda run, part: measured.append(part.split) or {})
    train(pairs_recipe(folder, evaluate_every=2), tmp_path, workers=0)
    found = load_checkpoint(tmp_path / "encoder").state_dict()
    assert all(torch.equal(value.half().float(), found[name]) for name, value in kept[2].items())
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["selected_at_step"], results["selected_r1"]) == (2, 30.0)
    assert measured == ["val", "test"]
    assert "validation" in results["protocol"]


def test_the_papers_protocol_selects_on_test_and_says_so(folder, tmp_path):
    train(pairs_recipe(folder, paper_protocol=True, epochs=1), tmp_path, workers=0)
    results = json.loads((tmp_path / "results.json").read_text())
    assert "chosen on test" in results["protocol"]
    assert results["watched"]["split"] == results["reported"]["split"] == "test"


def test_without_a_validation_split_the_last_step_counts(tmp_path):
    folder = write_pairs(tmp_path / "pairs", splits=("train", "test"))
    train(pairs_recipe(folder, epochs=1), tmp_path / "run", workers=0)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "last step" in results["protocol"]
    assert results["reported"]["split"] == "test"
    assert not (tmp_path / "run" / "best.pt").exists()


def test_training_nothing_measures_the_backbone(folder, tmp_path):
    train(pairs_recipe(folder, "full", epochs=0), tmp_path, workers=0)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["step"] == 0
    assert results["selected_at_step"] == 0
    assert results["cost"]["trainable"] == 0
    assert "nothing was trained" in results["protocol"]


def _kept(recipe, out):
    out.mkdir(exist_ok=True)
    Run(recipe, out, 0, False, Team()).save()


def _taken_up(recipe, out):
    Run(recipe, out, 0, False, Team()).resume()


def test_other_counts_than_the_run_was_begun_with_are_named(folder, tmp_path):
    _kept(pairs_recipe(folder), tmp_path)
    state = load_state(tmp_path / "state.pt")
    save_state(tmp_path / "state.pt", state | {"facts": state["facts"] | {"captions": 7}})
    with pytest.raises(ConfigError, match="was begun with 7 captions, and there are 24 now"):
        _taken_up(pairs_recipe(folder), tmp_path)


@pytest.mark.parametrize("split", [0, -1], ids=["training", "test"])
@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry["captions"].reverse(),
        lambda entry: entry.update(captions=["Nobody.", *entry["captions"][1:]]),
        lambda entry: entry.update(file_path=entry["file_path"].replace("_0", "_2").replace("_11", "_2")),
    ],
    ids=["order", "caption", "picture"],
)
def test_data_that_changed_are_not_trained_on_further(change, split, tmp_path):
    """As many captions of as many people as before, but others."""
    folder, out = write_pairs(tmp_path / "pairs"), tmp_path / "run"
    _kept(pairs_recipe(folder), out)
    _taken_up(pairs_recipe(folder), out)
    entries = json.loads((folder / "reid_raw.json").read_text())
    change(entries[split])
    (folder / "reid_raw.json").write_text(json.dumps(entries))
    with pytest.raises(ConfigError, match="begun with other pictures, identities or captions; "):
        _taken_up(pairs_recipe(folder), out)


def test_people_that_were_joined_are_not_trained_on_further(tmp_path):
    folder, out = write_pairs(tmp_path / "pairs"), tmp_path / "run"
    _kept(pairs_recipe(folder), out)
    text = (folder / "reid_raw.json").read_text()
    (folder / "reid_raw.json").write_text(text.replace('"id": 5}', '"id": 4}'))
    with pytest.raises(ConfigError, match="begun with 6 people, and there are 5 now"):
        _taken_up(pairs_recipe(folder), out)


def test_another_initial_encoder_is_not_trained_on_further(folder, tmp_path):
    """At the same place lies an encoder of the same shape with other weights."""
    initial, out = tmp_path / "initial", tmp_path / "run"
    torch.manual_seed(0)
    config = pairs_recipe(folder, "full").encoder
    changes = {"encoder": None, "initial": str(initial), "adapter": ADAPTERS["dm_adapter"]}
    save_checkpoint(initial, PersonEncoder(config))
    _kept(pairs_recipe(folder, **changes), out)
    _taken_up(pairs_recipe(folder, **changes), out)
    save_checkpoint(initial, PersonEncoder(config))
    with pytest.raises(ConfigError, match="begun with other initial weights"):
        _taken_up(pairs_recipe(folder, **changes), out)


@pytest.mark.parametrize("name", ["facts", "weights", "seconds"])
def test_a_state_of_another_version_is_said(name, folder, tmp_path):
    _kept(pairs_recipe(folder), tmp_path)
    state = load_state(tmp_path / "state.pt")
    del state[name]
    save_state(tmp_path / "state.pt", state)
    with pytest.raises(CheckpointError, match=f"another version of cskt .it lacks {name}.; finish the run"):
        _taken_up(pairs_recipe(folder), tmp_path)


def test_a_state_of_other_shapes_is_said(folder, tmp_path):
    _kept(pairs_recipe(folder), tmp_path)
    state = load_state(tmp_path / "state.pt")
    save_state(tmp_path / "state.pt", state | {"weights": dict.fromkeys(state["weights"], torch.ones(7))})
    with pytest.raises(CheckpointError, match=r"is not one of this run; remove the run's folder"):
        _taken_up(pairs_recipe(folder), tmp_path)


@pytest.mark.parametrize("name", ["recipe.json", "run.json"])
def test_a_file_of_a_run_that_was_cut_short_is_said(name, folder, tmp_path):
    recipe = pairs_recipe(folder, epochs=1)
    loop.keep_recipe(recipe, tmp_path)
    record_start(tmp_path, recipe, 0, 1)
    _kept(recipe, tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(CheckpointError, match=rf"{name} is damaged .*remove the run's folder"):
        train(recipe, tmp_path, workers=0)


def test_a_run_that_took_no_step_yet_makes_room_for_another_recipe(folder, tmp_path):
    loop.keep_recipe(pairs_recipe(folder), tmp_path)
    loop.keep_recipe(pairs_recipe(folder, seed=2), tmp_path)
    (tmp_path / "encoder").mkdir()  # such as in a finished run whose state was removed
    with pytest.raises(ConfigError, match="another recipe"):
        loop.keep_recipe(pairs_recipe(folder, seed=3), tmp_path)


def test_an_adapter_that_does_not_fit_the_backbone_is_said(whole, folder, tmp_path):
    changes = {"encoder": None, "initial": str(whole / "encoder"), "adapter": {"method": "cskt"}}
    recipe = pairs_recipe(folder, "cskt", **changes)
    with pytest.raises(
        ConfigError, match=r"depth 12 exceeds the towers' 2 and 2 layers; change it with --set"
    ):
        Run(recipe, tmp_path, 0, False, Team())


@pytest.mark.parametrize("evaluate_every", [1, 4, 100])
def test_confidence_is_divided_after_every_epoch_however_often_one_looks(
    evaluate_every, folder, tmp_path, monkeypatch
):
    divided = []
    monkeypatch.setattr(ConfidenceRecord, "divide", lambda self, epoch: divided.append(epoch))
    train(pairs_recipe(folder, noise_robust=0, evaluate_every=evaluate_every), tmp_path, workers=0)
    assert divided == [1, 2]


def test_the_summary_names_split_figures_and_protocol(whole):
    results = json.loads((whole / "results.json").read_text())
    lines = summary(results)
    assert lines[0].startswith(f"val: R@1 {results['watched']['text_to_image']['r1']:.1f} (95 %: ")
    assert lines[1].startswith("test: R@1 ")
    assert lines[2] == f"protocol: {results['protocol']}"


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
