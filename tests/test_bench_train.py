"""`cskt bench train` on a small network, and the count of what a step costs. No speed is asserted."""

import json

import pytest
import torch
from small_encoder import ADAPTERS, small_config
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model.bench import METHODS, caption_tokens
from model.bench_steps import Trainer, build, draw_batch, gradient_difference, plain_form, short_form
from model.training_cost import training_cost
from service import cli

BACKBONE = small_config(ADAPTERS["full"]).backbone
PAIRS = 24
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(params=METHODS)
def trainer(request):
    encoder = build(BACKBONE, request.param)
    return Trainer(encoder, draw_batch(encoder, PAIRS))


@pytest.fixture
def small_backbone(monkeypatch):
    monkeypatch.setattr("model.backbone.backbone_config", lambda _name, _size: BACKBONE)


def test_captions_have_20_to_50_tokens():
    batch = draw_batch(build(BACKBONE, "dm_adapter"), 200)
    lengths = batch.ids.argmax(dim=1) + 1
    assert (lengths.min(), lengths.max()) == (20, 50)
    assert batch.longest == 50
    for row, length in zip(batch.ids, lengths, strict=True):
        assert (row[0], row[length - 1]) == (49406, 49407)
        assert ((row[1 : length - 1] > 0) & (row[1 : length - 1] < 49406)).all()
        assert not row[length:].any()


def test_the_cost_is_that_of_the_products_that_run(trainer, monkeypatch):
    monkeypatch.setattr("model.frozen_linear.ROWS_FROM", 10**9)  # the counter knows torch's own products
    encoder, batch = trainer.encoder, trainer.batch
    expected = training_cost(encoder.config, caption_tokens(encoder, batch), one_token=True)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        trainer.loss(short_form(encoder), half=False).backward()
    assert counter.get_total_flops() / PAIRS == pytest.approx(expected.operations, rel=0.05)


def test_what_is_kept_lies_between_its_floor_and_the_published_form(trainer):
    encoder, batch = trainer.encoder, trainer.batch
    floor = training_cost(encoder.config, caption_tokens(encoder, batch), one_token=True).kept
    ours, published = (trainer.kept(form(encoder), half=False) for form in (short_form, plain_form))
    assert floor * PAIRS < ours < 0.7 * published


def test_a_step_moves_the_adapter_and_nothing_else(trainer):
    before = {name: value.clone() for name, value in trainer.encoder.named_parameters()}
    assert trainer.step(short_form(trainer.encoder), half=False).seconds > 0
    moved = {n for n, value in trainer.encoder.named_parameters() if not torch.equal(value, before[n])}
    assert moved
    assert all(name.startswith("adapter.") for name in moved)


def test_gradients_of_both_forms_are_equal_and_a_difference_is_seen(trainer, monkeypatch):
    encoder, batch = trainer.encoder, trainer.batch
    same = gradient_difference(encoder, batch)
    assert same.whole <= same.most < 1e-4
    weaker = lambda made: lambda pixels, ids: made(1.01 * pixels, ids, shorten=True)  # noqa: E731
    monkeypatch.setattr("model.bench_steps.short_form", weaker)
    other = gradient_difference(encoder, batch)
    assert other.most >= other.whole > 1e-4


@every_method
@pytest.mark.usefixtures("small_backbone")
def test_the_command(method, tmp_path, capsys):
    file = tmp_path / "report.json"
    command = ["bench", "train", "--method", method, "--batch", "4", "--quick", "--json", str(file)]
    assert cli.main(command) == 0
    results = {result["name"]: result for result in json.loads(file.read_text())["results"]}
    speed = results[f"training {method}, float32, cpu (baseline: as published)"]
    assert speed["ratio"] == pytest.approx(speed["value"] / speed["baseline"])
    if method == "dm_adapter":
        assert speed["goal"] == pytest.approx(1.5 * speed["baseline"])
        assert speed["met"] == (speed["ratio"] >= 1.5)
    else:
        assert speed["goal"] is None
    floor = results["floor: nothing but the products"]
    assert floor["value"] > speed["value"]
    assert floor["ratio"] == pytest.approx(1 / results["products"]["ratio"])
    assert results["gradients: relative difference"]["met"]
    assert results["kept for the backward pass"]["ratio"] < 1
    told = capsys.readouterr().out
    assert all(name in told for name in results)


@pytest.mark.usefixtures("small_backbone")
def test_bfloat16_has_no_goal_on_a_cpu(tmp_path):
    file = tmp_path / "report.json"
    command = ["bench", "train", "--precision", "bfloat16", "--batch", "2", "--quick", "--json", str(file)]
    assert cli.main(command) == 0
    assert json.loads(file.read_text())["results"][0]["goal"] is None


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--device", "cuda:99", "cuda:99"), ("--json", "missing/report.json", "missing/report.json")],
)
def test_what_cannot_be_used_is_one_sentence(option, value, told, capsys):
    assert cli.main(["bench", "train", option, value]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
