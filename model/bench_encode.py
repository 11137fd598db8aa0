"""`cskt bench encode`: how fast an encoder's inference forms answer, against the methods as published.

Networks of random weights at ViT-B/16 shape and 384 x 128 pixels, and the demo encoder. The baseline is the
training form as published (model.published_form) in float32: 77 tokens a caption, every token through every
block, experts by gather and scatter, in batches of the same size. All forms and the baseline take turns;
medians over the rounds. Captions have 30 tokens. The int8 form has scales that were not searched for, which
does not change its speed.

Beside each figure stands its floor: the form's own matrix products (model.inference.cost) at the rate of one
large product of that precision, measured in the same run. Beside the memory of a process stand its weights.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import count
from model.bench_report import Result, check_place, measured, publish

if TYPE_CHECKING:
    from model.bench_forms import Task, Turns
    from model.bench_memory import Memory
    from model.inference.precision import Precision

SUBJECTS = ("dm_adapter", "cskt", "demo")
BATCH, QUICK_BATCH = 32, 8
ROUNDS, QUICK_ROUNDS = 5, 1
CAPTION_TOKENS = 30
TEXT_GOAL = 6.0
IMAGE_GOALS: "dict[Precision, float]" = {"bfloat16": 2.5, "int8": 4.0}
RATE_GOAL = 85.0
MEMORY_GOAL = 400e6
MILLION = 1e6


def add_bench_encode(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench encode`."""
    parser = subparsers.add_parser(
        "encode", help="encoding: captions and pictures per second, latency, memory", description=__doc__
    )
    parser.add_argument(
        "--subject",
        action="append",
        choices=SUBJECTS,
        help="what is measured; may be repeated (default: all three, quick the demo encoder)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--batch", type=count, metavar="N", help=f"pictures and captions a batch (default: {BATCH})"
    )
    parser.add_argument("--quick", action="store_true", help="a rougher figure within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as well")
    parser.set_defaults(run=run_bench_encode)


def run_bench_encode(arguments: argparse.Namespace) -> int:
    """Measure encoding; 0 whether or not the goals are met."""
    from model.bench_forms import measure, open_subject
    from model.bench_memory import most_memory
    from model.embedder import choose_device

    check_place(arguments.json)
    device = choose_device(arguments.device)
    batch = arguments.batch or (QUICK_BATCH if arguments.quick else BATCH)
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    results: list[Result] = []
    for name in arguments.subject or (("demo",) if arguments.quick else SUBJECTS):
        subject = open_subject(name, batch, CAPTION_TOKENS, device)
        if device.type == "cpu":
            results += [result for memory in most_memory(subject) for result in memory_results(memory)]
        results += results_of(measure(subject, rounds))
        del subject  # a network of half a gigabyte and its forms
    publish(results, arguments.json)
    return 0


def results_of(turns: "Turns") -> list[Result]:
    """Every task of one subject, form by form; the 8-bit form's captions go through another form's floats."""
    return [
        result
        for task in turns.tasks
        for precision in turns.precisions
        if task.pictures or precision != "int8"
        for result in task_results(turns, task, precision)
    ]


def task_results(turns: "Turns", task: "Task", precision: "Precision") -> list[Result]:
    """A form's time or rate with its floor; of pictures also the share of the rate of one large product."""
    seconds, plain = turns.median(task, precision), turns.median(task, None)
    rate = turns.rate(precision)
    title, floor = f"{turns.title}: {task.name}, {precision}", task.cost.operations / rate
    if task.unit == "ms":
        goal = plain / TEXT_GOAL * 1000 if precision == turns.quickest_float else None
        return [
            measured(title, seconds * 1000, "ms", baseline=plain * 1000, at_most=goal),
            measured("  floor: its products", floor * 1000, "ms"),
            measured("  weights read", task.cost.bytes_read(precision) / MILLION, "MB"),
        ]
    times = TEXT_GOAL if precision == turns.quickest_float else None
    if task.pictures:
        times = IMAGE_GOALS.get(precision) if turns.papers_size else None
    per_second = task.items / seconds
    baseline = task.items / plain
    results = [
        measured(title, per_second, task.unit, baseline=baseline, at_least=times and times * baseline),
        measured("  floor: its products", 1 / floor, task.unit),
    ]
    if task.pictures:
        share = 100 * per_second * floor
        goal = RATE_GOAL if turns.papers_size and precision == "bfloat16" else None
        results.append(measured("  of the rate of one large product", share, "%", at_least=goal))
    return results


def memory_results(memory: "Memory") -> list[Result]:
    """The most that a process held while it encoded pictures and while it opened its encoder, against the
    weights."""
    weights = memory.weights / MILLION
    encoding, opening = memory.encoding / MILLION, memory.opening / MILLION
    most = weights + MEMORY_GOAL / MILLION
    return [
        measured(
            f"{memory.title}: most memory while encoding", encoding, "MB", baseline=weights, at_most=most
        ),
        measured("  while opening the encoder", opening, "MB", baseline=weights),
    ]
