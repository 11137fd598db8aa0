"""Several processes, and one in parts, take the step that one process takes on the whole batch."""

import json
import subprocess
import sys

import distributed_steps
import pytest
import torch
from distributed_steps import TOGETHER, take
from tiny_encoder import tiny_checkpoint

from model.checkpoint import load_checkpoint
from model.errors import ConfigError
from model.training.batches import Share
from model.training.distributed import Team
from model.training.features import split_rows


def assert_same(one, other):
    for mine, theirs in zip(one["losses"], other["losses"], strict=True):
        names = mine.keys() - {"gradient_norm"}  # the gradients themselves are compared below
        assert {n: mine[n] for n in names} == pytest.approx({n: theirs[n] for n in names}, rel=1e-5, abs=1e-5)
    for part in ("gradients", "parameters", "heads"):
        assert one[part].keys() == other[part].keys()
        for name, value in one[part].items():
            if value is None:
                assert other[part][name] is None, name
            else:
                scale = max(1.0, float(value.abs().max()))
                assert float((other[part][name] - value).abs().max()) <= 1e-5 * scale, (part, name)


@pytest.fixture(scope="module")
def together(folder, tmp_path_factory):
    """The folder in which lies what two processes came to, for each method."""
    target = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command = [*torchrun, distributed_steps.__file__, str(folder), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


@pytest.mark.parametrize("method", TOGETHER)
def test_two_processes_equal_one(method, folder, together, tmp_path):
    alone = take(folder, method, tmp_path, Team(), losses=TOGETHER[method])
    assert_same(alone, torch.load(together / f"{method}.pt"))


def test_the_whole_loop_in_two_processes_is_that_of_one(folder, tmp_path):
    """`cskt reproduce` under torchrun: two seeds, evaluations, checkpoints; only the leader speaks."""
    tiny = tiny_checkpoint(tmp_path / "clip", seed=1)
    command = ["-m", "service", "reproduce", f"folder:{folder}", "--method", "dm_adapter", "--seeds", "2"]
    command += ["--initial", str(tiny), "--workers", "0"]
    for entry in ("epochs=1", "batch_size=7", "schedule.warmup=0", "precision=float32"):
        command += ["--set", entry]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    printed = []
    for name, start in (("one", [sys.executable]), ("two", torchrun)):
        run = [*start, *command, "--out", str(tmp_path / name)]
        done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=300)
        printed.append(done.stdout)
    assert printed[1].count("protocol:") == printed[0].count("protocol:") == 1
    for seed in ("seed_1", "seed_2"):
        one, two = (load_checkpoint(tmp_path / name / seed / "encoder") for name in ("one", "two"))
        for name, value in one.state_dict().items():
            torch.testing.assert_close(two.state_dict()[name], value, atol=2e-3, rtol=2e-3, msg=name)
        starts = json.loads((tmp_path / "two" / seed / "run.json").read_text())
        assert [start["processes"] for start in starts] == [2]


@pytest.mark.parametrize(("method", "rows"), [("full", 3), ("cskt", 3), ("dm_adapter", 3), ("dm_adapter", 1)])
def test_a_batch_in_parts_equals_the_whole(method, rows, folder, tmp_path):
    losses = [{"kind": "sdm", "scale": 5}, {"kind": "triplet"}, {"kind": "hard_captions", "scale": 5}]
    if method == "dm_adapter":
        losses.append({"kind": "balance"})
    whole = take(folder, method, tmp_path, Team(), losses=losses)
    parts = take(folder, method, tmp_path, Team(), losses=losses, micro_batch=rows)
    assert_same(whole, parts)


def test_the_balance_loss_in_parts_is_not_the_mean_of_the_parts(folder, tmp_path):
    """What the test above would miss if the load of a batch of one were the load of all."""
    whole = take(folder, "dm_adapter", tmp_path, Team(), batch_size=8)
    other = take(folder, "dm_adapter", tmp_path, Team(), batch_size=4)
    assert whole["losses"][0]["loss.balance"] != pytest.approx(other["losses"][0]["loss.balance"], abs=1e-5)


@pytest.mark.parametrize(("size", "parts"), [(8, 2), (7, 2), (5, 4), (3, 3)])
def test_shares_cover_a_batch_in_order(size, parts):
    covered = [row for part in range(parts) for row in range(size)[Share(part, parts).rows(size)]]
    assert covered == list(range(size))


def test_parts_cover_the_rows():
    assert split_rows(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert split_rows(7, None) == [slice(0, 7)]


def test_batch_statistics_do_not_train_in_parts(folder, tmp_path):
    from training_toys import BACKBONE

    stem = BACKBONE["vision"] | {"stem_widths": (8, 8)}
    encoder = {"backbone": BACKBONE | {"vision": stem}, "adapter": {"method": "full"}}
    with pytest.raises(ConfigError, match="batch normalisation"):
        take(folder, "full", tmp_path, Team(), encoder=encoder, micro_batch=2)
