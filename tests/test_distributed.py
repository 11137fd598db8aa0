"""Several processes, and one in parts, take the step that one process takes on the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from distributed_steps import TOGETHER, take
from training_toys import write_pairs

from model.errors import ConfigError
from model.training.batches import Share
from model.training.distributed import Team
from model.training.features import split_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


def assert_same(one, other):
    for mine, theirs in zip(one["losses"], other["losses"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    for part in ("gradients", "parameters", "heads"):
        assert one[part].keys() == other[part].keys()
        for name, value in one[part].items():
            if value is None:
                assert other[part][name] is None, name
            else:
                scale = max(1.0, float(value.abs().max()))
                assert float((other[part][name] - value).abs().max()) <= 1e-5 * scale, (part, name)


@pytest.mark.parametrize("method", TOGETHER)
def test_two_processes_equal_one(method, folder, tmp_path):
    script, target = Path(__file__).parent / "distributed_steps.py", tmp_path / "two.pt"
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
        str(script),
    ]
    subprocess.run([*command, str(folder), method, str(target)], check=True, capture_output=True, timeout=300)
    alone = take(folder, method, tmp_path, Team(), losses=TOGETHER[method])
    assert_same(alone, torch.load(target))


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
