"""`cskt bench train`: how many pairs a second train, and what is kept for the backward pass.

A network of random weights at ViT-B/16 shape and 384 x 128 pixels takes whole training steps: forward, SDM
and half the balance loss, backward, Adam. The baseline is the method as published (model.published_form): 77
tokens a caption, experts by gather and scatter, no autocast. Ours leaves out the padding behind the batch's
longest caption; captions have 20 to 50 tokens. Both use the same weights and take turns.

Before that their gradients are compared in float32 on four pairs, on captions cut alike, since the balance
loss is a mean over the tokens it is given. The floor of a form is its matrix products at the rate of one
large product, measured in the same run; the floor of what is kept counts the tensors that the gradient needs
if nothing is computed twice (both: model.training_cost).
"""

import argparse
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import count
from model.bench_report import Result, check_place, measured, publish

if TYPE_CHECKING:
    from model.bench_steps import Batch, Difference
    from model.encoder import PersonEncoder

METHODS, PRECISIONS = ("dm_adapter", "cskt"), ("float32", "bfloat16")
BATCH, QUICK_BATCH = 16, 4
ROUNDS, QUICK_ROUNDS = 7, 2
GOALS = {("dm_adapter", "float32", "cpu"): 1.5, ("dm_adapter", "bfloat16", "cuda"): 2.0}
GOAL_PEAK = 0.6
GOAL_GRADIENT = 1e-4
MILLION, BILLION = 1e6, 1e9


@dataclass
class Figures:
    """Of one form: seconds a step, bytes kept for the backward pass, the most bytes a GPU held."""

    seconds: list[float] = field(default_factory=list)
    kept: int = 0
    peak: int = 0


@dataclass
class Training:
    """What a run has measured; `rates` are operations per second of the large product."""

    difference: "Difference"
    ours: Figures = field(default_factory=Figures)
    published: Figures = field(default_factory=Figures)
    rates: list[float] = field(default_factory=list)


def add_bench_train(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench train`."""
    parser = subparsers.add_parser(
        "train", help="training: samples per second and memory", description=__doc__
    )
    parser.add_argument(
        "--method", choices=METHODS, default=METHODS[0], help=f"what is trained (default: {METHODS[0]})"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="ours under autocast or not (default: float32, not); the baseline is float32",
    )
    parser.add_argument(
        "--batch", type=count, metavar="N", help=f"pairs a step (default: {BATCH}, quick {QUICK_BATCH})"
    )
    parser.add_argument("--quick", action="store_true", help="a rougher figure within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as well")
    parser.set_defaults(run=run_bench_train)


def run_bench_train(arguments: argparse.Namespace) -> int:
    """Measure training; 0 whether or not the goals are met."""
    from model.backbone import backbone_config
    from model.bench_steps import build, draw_batch
    from model.config import PERSON_IMAGE_SIZE
    from model.embedder import choose_device

    check_place(arguments.json)
    device = choose_device(arguments.device)
    backbone = backbone_config("ViT-B-16-quickgelu", PERSON_IMAGE_SIZE)
    encoder = build(backbone, arguments.method).to(device)
    batch = draw_batch(encoder, arguments.batch or (QUICK_BATCH if arguments.quick else BATCH))
    autocast = arguments.precision == "bfloat16"
    training = measure(encoder, batch, autocast, QUICK_ROUNDS if arguments.quick else ROUNDS)
    title = f"{arguments.method}, {arguments.precision}, {device.type}"
    goal = GOALS.get((arguments.method, arguments.precision, device.type))
    speed = speed_results(title, encoder, batch, training, goal)
    publish([*speed, *memory_results(encoder, batch, training)], arguments.json)
    return 0


def measure(encoder: "PersonEncoder", batch: "Batch", autocast: bool, rounds: int) -> Training:
    """Gradients and what is kept first, then steps in turns, a product between the rounds."""
    import torch

    from model.bench_steps import Trainer, gradient_difference, plain_form, product_rate, short_form

    training = Training(gradient_difference(encoder, batch))
    trainer = Trainer(encoder, batch)
    turns = [
        (training.ours, short_form(encoder), autocast),
        (training.published, plain_form(encoder), False),
    ]
    for figures, form, half in turns:
        figures.kept = trainer.kept(form, half)
        trainer.step(form, half)
    multiplied = torch.bfloat16 if autocast else torch.float32
    for number in range(rounds):
        for figures, form, half in turns if number % 2 else reversed(turns):
            took = trainer.step(form, half)
            figures.seconds.append(took.seconds)
            figures.peak = max(figures.peak, took.peak)
        training.rates.append(product_rate(batch.pixels.device, multiplied))
    return training


def speed_results(
    title: str, encoder: "PersonEncoder", batch: "Batch", training: Training, goal: float | None
) -> list[Result]:
    """Samples per second, the floor of both forms, and how far their gradients are apart."""
    from model.training_cost import training_cost

    pairs = len(batch.ids)
    ours, published = (
        pairs / statistics.median(figures.seconds) for figures in (training.ours, training.published)
    )
    config, rate = encoder.config, statistics.median(training.rates)
    least = training_cost(config, caption_tokens(encoder, batch), one_token=True).operations
    plain = training_cost(config, config.backbone.text.context_length, one_token=False).operations
    return [
        measured(
            f"training {title} (baseline: as published)",
            ours,
            "samples/s",
            baseline=published,
            at_least=goal and goal * published,
        ),
        measured("floor: nothing but the products", rate / least, "samples/s", baseline=rate / plain),
        measured("products", least / BILLION, "GFLOP/sample", baseline=plain / BILLION),
        measured("rate of one large product", rate / BILLION, "GFLOP/s"),
        measured(
            "gradients: relative difference",
            training.difference.whole * MILLION,
            "millionths",
            at_most=GOAL_GRADIENT * MILLION,
        ),
        measured(
            "gradients: of the tensor that differs most", training.difference.most * MILLION, "millionths"
        ),
    ]


def memory_results(encoder: "PersonEncoder", batch: "Batch", training: Training) -> list[Result]:
    """What is kept for the backward pass, its floor in float32, and on a GPU the most that was held."""
    from model.training_cost import training_cost

    ours, published = training.ours, training.published
    pairs, tokens = len(batch.ids), caption_tokens(encoder, batch)
    least = training_cost(encoder.config, tokens, one_token=True).kept
    kept = measured(
        "kept for the backward pass",
        ours.kept / pairs / MILLION,
        "MB/sample",
        baseline=published.kept / pairs / MILLION,
    )
    floor = measured("floor: what its formula needs, in float32", least / MILLION, "MB/sample")
    if not ours.peak:  # measured on GPUs only
        return [kept, floor]
    most, plain = ours.peak / MILLION, published.peak / MILLION
    peak = measured("peak memory of the GPU", most, "MB", baseline=plain, at_most=GOAL_PEAK * plain)
    return [kept, floor, peak]


def caption_tokens(encoder: "PersonEncoder", batch: "Batch") -> int:
    """Tokens of a caption that ours computes: up to the end of the longest, prompts counted."""
    return int(encoder.adapter.caption_ids(batch.ids).argmax(dim=1).max()) + 1
