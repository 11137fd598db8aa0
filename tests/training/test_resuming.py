"""What a run promises of being stopped: nothing lost to a kill, and nothing else taken up."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from training_toys import ADAPTERS, EVERYTHING, pairs_recipe, write_pairs

from model.checkpoint import load_checkpoint, save_checkpoint
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError
from model.training import loop
from model.training.distributed import Team
from model.training.journal import record_start
from model.training.loop import train
from model.training.run import Run
from model.training.state import Best, load_state, save_state

STEPS = 6


class Killed(BaseException):
    """Stands for the end of the process: nothing behind it runs."""


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


def train_until(ends, owner, name, stopping, recipe, folder, monkeypatch):
    """Train with a function of the trainer replaced by one that ends it."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(ends):
            train(recipe, folder, workers=0)


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

    train_until(Killed, Run, "take_step", dying, recipe, tmp_path, monkeypatch)
    train(recipe, tmp_path, workers=0)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("stopped_in", range(1, STEPS))
def test_a_wish_to_stop_is_obeyed_after_the_step_it_came_in(stopped_in, folder, whole, tmp_path, monkeypatch):
    recipe, step = pairs_recipe(folder, **EVERYTHING), Run.take_step

    def interrupted(self, batch):
        if self.step + 1 == stopped_in:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch)

    train_until(KeyboardInterrupt, Run, "take_step", interrupted, recipe, tmp_path, monkeypatch)
    assert load_state(tmp_path / "state.pt")["step"] == stopped_in
    train(recipe, tmp_path, workers=0)
    assert_same_run(whole, tmp_path)


def test_an_evaluation_that_was_interrupted_is_made_again(folder, whole, tmp_path, monkeypatch):
    recipe, measured = pairs_recipe(folder, **EVERYTHING), loop._measured

    def impatient(run, part):
        if run.step == 4:
            raise KeyboardInterrupt
        return measured(run, part)

    train_until(KeyboardInterrupt, loop, "_measured", impatient, recipe, tmp_path, monkeypatch)
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


def test_the_state_of_an_adapter_run_leaves_the_backbone_out(folder, tmp_path):
    run = Run(pairs_recipe(folder), tmp_path, 0, False, Team())
    run.save()
    assert all(name.startswith("adapter.") for name in load_state(tmp_path / "state.pt")["weights"])


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
