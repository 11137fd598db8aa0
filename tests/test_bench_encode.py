"""`cskt bench encode` on the demo encoder and on a small network, and the count of what a form costs.

No speed is asserted.
"""

import json
import mmap

import pytest
import torch
from small_encoder import ADAPTERS, small_config
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model.bench_encode import memory_results, task_results
from model.bench_forms import Task, Turns, flat_scales, measure, open_subject, seconds_of, tasks_of
from model.bench_memory import Memory, most_memory, weight_bytes
from model.bench_report import forget_peak, peak_bytes, resident_bytes
from model.inference.cost import Cost, text_cost, vision_cost
from model.inference.folding import fold_text, fold_vision
from model.inference.form import InferenceForm
from model.inference.precision import precisions_of
from model.inference.products import TorchProducts
from service import cli

CPU = torch.device("cpu")
TOKENS, BATCH = 12, 3
MILLION_BYTES = 1_000_000


@pytest.fixture
def small_backbone(monkeypatch):
    backbone = small_config(ADAPTERS["full"]).backbone
    monkeypatch.setattr("model.bench_forms.backbone_config", lambda _name, _size: backbone)


@pytest.fixture(params=["dm_adapter", "cskt"])
def subject(request, small_backbone):
    return open_subject(request.param, BATCH, TOKENS, CPU)


def test_what_takes_turns_computes_the_same(subject):
    form = InferenceForm(subject.encoder, TorchProducts(torch.float32, CPU), CPU)
    with torch.inference_mode():
        for task in tasks_of(subject):
            plain, ours = task.plain(), task.ours(form)
            assert len(plain) == task.items
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_the_cost_is_that_of_the_products_that_run(subject):
    """torch counts what the plain products of a form do."""
    form = InferenceForm(subject.encoder, TorchProducts(torch.float32, CPU), CPU)
    for task in tasks_of(subject):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            task.ours(form)
        assert counter.get_total_flops() / task.items == pytest.approx(task.cost.operations, rel=0.02)


def test_the_weights_are_counted_once_each(subject):
    """Against the encoder's own matrices, less prompts and couplings, which are folded away."""
    encoder = subject.encoder
    counted = vision_cost(fold_vision(encoder)).weights + text_cost(fold_text(encoder), TOKENS).weights
    named = [(name, value) for name, value in encoder.named_parameters() if "prompts" not in name]
    matrices = sum(value.numel() for _, value in named if value.ndim >= 2)
    words = encoder.text.token_embedding.weight.numel()
    assert counted == pytest.approx(matrices - words, rel=0.1)
    assert weight_bytes(subject, "float32") == 4 * (counted + words)


def test_every_form_and_the_published_one_are_timed_in_every_round(subject):
    turns = measure(subject, rounds=2)
    assert turns.precisions == precisions_of(CPU)
    for task in turns.tasks:
        for precision in (None, *turns.precisions):
            assert len(turns.seconds[task.name, precision]) == 2
            assert turns.median(task, precision) > 0
    assert all(turns.rate(precision) > 0 for precision in turns.precisions)


def test_flat_scales_name_every_site_of_the_pictures_bytes(subject):
    blocks = len(subject.encoder.visual.transformer.resblocks)
    kinds = ("qkv", "key_value", "mlp")
    assert set(flat_scales(subject.encoder)) == {
        f"visual.{n}.{kind}" for n in range(blocks) for kind in kinds
    }


def turns_of(task: Task, papers_size: bool) -> Turns:
    turns = Turns("toy", papers_size, ("int8", "bfloat16", "float32"), [task])
    turns.seconds = {
        (task.name, None): [8.0],
        (task.name, "int8"): [1.0, 9.0, 2.0],
        (task.name, "bfloat16"): [4.0],
        (task.name, "float32"): [8.0],
    }
    turns.rates = {"int8": [40.0], "bfloat16": [10.0], "float32": [5.0]}
    return turns


def toy_task(items: int, pictures: bool) -> Task:
    nothing = torch.zeros(1)
    return Task(
        "toys",
        "ms" if items == 1 and not pictures else "toys/s",
        items,
        pictures,
        Cost(20, 7),
        lambda: nothing,
        lambda _form: nothing,
    )


def test_a_single_caption_is_held_against_a_sixth_of_the_published_time_in_the_quickest_form():
    task = toy_task(1, pictures=False)
    first, floor, weights = task_results(turns_of(task, True), task, "bfloat16")
    assert (first.value, first.baseline, first.ratio, first.met) == (4000, 8000, 0.5, False)
    assert first.goal == pytest.approx(8000 / 6)
    assert (floor.value, weights.value) == (2000, 14e-6)
    assert task_results(turns_of(task, True), task, "float32")[0].goal is None


@pytest.mark.parametrize(
    ("precision", "goal", "met", "share"), [("int8", 4.0, True, 50.0), ("bfloat16", 2.5, False, 100.0)]
)
def test_pictures_have_goals_by_precision_and_a_share_of_the_rate(precision, goal, met, share):
    task = toy_task(2, pictures=True)
    first, floor, of_rate = task_results(turns_of(task, True), task, precision)
    assert (first.baseline, first.goal, first.met) == (0.25, goal * 0.25, met)
    assert floor.value == {"int8": 2.0, "bfloat16": 0.5}[precision]
    assert of_rate.value == pytest.approx(share)
    assert (of_rate.goal is None) == (precision == "int8")


def test_a_batch_of_one_picture_is_a_rate_too():
    task = toy_task(1, pictures=True)
    first, _, share = task_results(turns_of(task, True), task, "bfloat16")
    assert (first.value, first.unit, share.unit) == (0.25, "toys/s", "%")


def test_the_goals_of_pictures_are_those_of_the_papers_size_alone():
    task = toy_task(2, pictures=True)
    assert [result.goal for result in task_results(turns_of(task, False), task, "bfloat16")] == [None] * 3


def test_memory_is_held_against_the_weights_and_400_megabytes():
    found = [
        Memory("toy", 800 * MILLION_BYTES, peak * MILLION_BYTES, 50 * MILLION_BYTES) for peak in (450, 451)
    ]
    (within, opening), (beyond, _) = map(memory_results, found)
    assert (within.value, within.baseline, within.goal) == (450, 50, 450)
    assert (within.met, beyond.met) == (True, False)
    assert (opening.value, opening.goal) == (800, None)


def test_a_peak_is_remembered_until_it_is_forgotten():
    forget_peak()
    before = peak_bytes()
    with mmap.mmap(-1, 64 * MILLION_BYTES) as held:  # pages of its own, not what is at hand
        held.write(b"x" * len(held))
        assert peak_bytes() >= before + 60 * MILLION_BYTES
    forget_peak()
    assert peak_bytes() == pytest.approx(resident_bytes(), rel=0.1)


@pytest.mark.slow
def test_memory_is_asked_of_a_process_of_its_own(small_backbone):
    subject = open_subject("cskt", BATCH, TOKENS, CPU)
    found = most_memory(subject)
    assert len(found) == len(precisions_of(CPU)) - ("int8" in precisions_of(CPU))
    for memory in found:
        assert memory.title.startswith("cskt: 3 pictures, ")
        assert memory.weights < 40 * MILLION_BYTES < min(memory.opening, memory.encoding)


@pytest.mark.slow
def test_the_command_writes_every_figure(tmp_path, capsys):
    arguments = ["bench", "encode", "--quick", "--batch", "2", "--json", str(tmp_path / "out.json")]
    assert cli.main(arguments) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    names = [result["name"] for result in report["results"]]
    for precision in precisions_of(CPU):
        assert f"demo: 2 pictures, {precision}" in names
        assert (f"demo: one caption of 30 tokens, {precision}" in names) == (precision != "int8")
    assert names[0].endswith("most memory while encoding")
    assert "of the rate of one large product" in capsys.readouterr().out


def test_the_demo_encoder_is_a_subject_without_the_goals_of_the_papers():
    demo = open_subject("demo", 1, TOKENS, CPU)
    assert not demo.papers_size
    assert demo.pixels.shape == (1, *demo.encoder.config.backbone.vision.image_size, 3)
    assert seconds_of(tasks_of(demo)[0], None, CPU) > 0
