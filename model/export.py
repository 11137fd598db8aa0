"""`cskt export`: proves a form of an encoder that is quicker than float32, and keeps the proof beside it.

OUT becomes a checkpoint folder of the same encoder (same weights, same fingerprint), which every command then
runs in the quickest form that the device has and OUT proves. Measured against the float32 form: the cosines
of pictures and captions, the overlap of the ten best, and R@1. Refused when the first percentile of the
cosines is below 0.999 (bfloat16, float16) or R@1 falls by more than 0.3 points (int8). With --force such a
form is written all the same, and used only where its precision is named. float32 is held against the network
as it was trained, and refused, forced or not, when it differs by more than 1e-4.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import add_example_options, check_example_options, count

if TYPE_CHECKING:
    import torch

    from model.checkpoint import LoadedCheckpoint
    from model.inference.examples import Examples
    from model.inference.int8 import SiteScales
    from model.inference.parity import Exactness
    from model.inference.precision import Precision
    from model.inference.proven import Parity
    from model.split_vectors import SplitVectors

PEOPLE, FEW_PEOPLE, FEW = 400, 12, 32
"""Painted to measure on; float32 is held against the training form on few pictures and captions."""


@dataclass(frozen=True)
class Found:
    """What an export has measured: `parity` of a precision to prove, or how `exact` float32 is.

    `scales` and the sites left `in_float` (by relative error) are int8's.
    """

    parity: "Parity | None" = None
    exact: "Exactness | None" = None
    scales: "Mapping[str, SiteScales] | None" = None
    in_float: tuple[str, ...] = ()


def add_export(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt export`."""
    parser = subparsers.add_parser(
        "export",
        help="prove a quicker form of an encoder (bfloat16, float16, int8), or write it as ONNX",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="a new folder, or one that holds just this encoder")
    add("--encoder", default="demo", help="demo, a checkpoint folder, or openclip:MODEL/PRETRAINED")
    add("--format", default="cskt", choices=("cskt", "onnx"), help="default: cskt, a checkpoint folder")
    add(
        "--precision",
        choices=("float32", "bfloat16", "float16", "int8"),
        help="default: the quickest of this device",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add_example_options(parser, "measure on", PEOPLE, "three")
    add("--force", action="store_true", help="write a form that falls short; it is used only by name")
    add("--batch-size", type=count, default=64, metavar="N")
    add("--workers", type=count, default=2, metavar="N", help="threads that decode, processes that paint")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run_export, when_interrupted="nothing was written.")


def run_export(arguments: argparse.Namespace) -> None:
    """Measure, print, and write if the form is good enough.

    Raises CheckpointError for an OUT that holds something else and for a form that falls short, ConfigError
    for a precision that the device has not and for options that exclude each other.
    """
    from model.embedder import open_encoder
    from model.export_folder import card_of, holds_encoder, take_calibration, write_checkpoint
    from model.export_report import export_report

    if arguments.format == "onnx":
        return export_onnx(arguments)
    check_example_options(arguments)
    precision, device = choose(arguments.precision, arguments.device)
    opened = open_encoder(arguments.encoder)
    there = holds_encoder(arguments.out, opened.fingerprint)
    card = None if there else card_of(arguments.encoder)
    found = measure(opened, precision, device, arguments)
    short, written = falls_short(precision, found), False
    try:
        refuse(precision, found, short, arguments.force)
        keep_the_better(arguments.out, opened.fingerprint, precision, short)
        if not there:
            write_checkpoint(arguments.out, opened.encoder, card)
            take_calibration(arguments.encoder, opened.fingerprint, arguments.out)
        if found.parity is not None:
            from model.inference.proven import write_proven

            parity = found.parity.model_copy(update={"forced": short is not None})
            write_proven(arguments.out, opened.fingerprint, precision, parity, found.scales)
        written = True
    finally:  # what took minutes to measure is told even where it is refused or cannot be written
        print(export_report(arguments, opened.fingerprint, precision, found, short, written))
    print(f"written: {arguments.out}", file=sys.stderr)
    return None


def falls_short(precision: "Precision", found: Found) -> str | None:
    """What a form falls short of, as a part of a sentence; None where it is good enough."""
    from model.inference.parity import inexactness, shortfall

    if found.exact is not None:
        return inexactness(found.exact)
    return None if found.parity is None else shortfall(precision, found.parity)


def refuse(precision: "Precision", found: Found, short: str | None, force: bool) -> None:
    """Raise CheckpointError for a form that falls short, unless by `force`; float32 cannot be forced, as it
    is used without proof."""
    from model.errors import CheckpointError

    if short is None or (force and found.exact is None):
        return
    remedy = "take another precision, or --force"
    if found.exact is not None:
        remedy = "check that the weights are finite, or measure with --device cpu"
    raise CheckpointError(f"{precision} is not exported: {short}. Nothing was written; {remedy}.")


def keep_the_better(out: Path, fingerprint: str, precision: "Precision", short: str | None) -> None:
    """Raise CheckpointError where a form that falls short would take the place of a good one."""
    from model.errors import CheckpointError
    from model.inference.proven import read_proven

    if short is not None and precision in read_proven(out, fingerprint).good:
        raise CheckpointError(
            f"{out} holds a proof of {precision} that is good enough, and this one falls short: {short}. "
            "The proof stays; write this one to another folder."
        )


def export_onnx(arguments: argparse.Namespace) -> None:
    """Both towers as ONNX files, in float32.

    Raises ConfigError where a precision is wanted too, and whatever `write_onnx` raises.
    """
    from model.embedder import open_encoder, public_name
    from model.errors import ConfigError
    from model.onnx.export import write_onnx

    if arguments.precision not in (None, "float32"):
        raise ConfigError("ONNX files are written in float32: leave out --precision.")
    encoder, name = open_encoder(arguments.encoder).encoder, public_name(arguments.encoder)
    report = write_onnx(encoder, arguments.out, name)
    if arguments.json:
        print(
            json.dumps({"encoder": arguments.encoder, "out": str(arguments.out), **asdict(report)}, indent=2)
        )
        return
    sizes = f"visual {report.visual_bytes / 1e6:.1f} MB, textual {report.textual_bytes / 1e6:.1f} MB"
    apart = f"{report.image_difference:.1e} and {report.text_difference:.1e}"
    print(f"{arguments.out}: {sizes}; largest difference to torch {apart}")


def choose(wanted: str | None, name: str) -> "tuple[Precision, torch.device]":
    """The precision (the device's quickest if None is wanted) and the device to measure it on.

    int8 is measured on the CPU even beside a GPU. Raises ConfigError for what is not there.
    """
    from model.embedder import choose_device
    from model.errors import ConfigError
    from model.inference.precision import precisions_of

    device = choose_device("cpu" if wanted == "int8" and name == "auto" else name)
    has = precisions_of(device)
    precision = next((one for one in has if one == (wanted or has[0])), None)
    if precision is None:
        where = "GPU" if device.type == "cuda" else "processor"
        raise ConfigError(
            f"this {where} does not compute in {wanted}, so it cannot be proven here: "
            f"take {' or '.join(has)}, or export on a machine that does."
        )
    return precision, device


def measure(
    opened: "LoadedCheckpoint", precision: "Precision", device: "torch.device", arguments: argparse.Namespace
) -> Found:
    """Hold a precision against float32, or float32 against the network as it was trained."""
    from model.inference.examples import drawn, open_examples
    from model.inference.form import build_form
    from model.inference.parity import compare_with_training

    exact = precision == "float32"
    people = FEW_PEOPLE if exact else arguments.people or PEOPLE
    with open_examples(
        arguments.data, arguments.split, people, precision == "int8", arguments.workers
    ) as examples:
        if not exact:
            return _measure_parity(opened, precision, device, examples, arguments)
        form = build_form(opened.encoder, precision, device)
        few = drawn(opened.encoder, examples.measured, FEW)
        return Found(exact=compare_with_training(opened.encoder, form, *few))


def _measure_parity(
    opened: "LoadedCheckpoint",
    precision: "Precision",
    device: "torch.device",
    examples: "Examples",
    arguments: argparse.Namespace,
) -> Found:
    import torch

    from model.bench_report import processor
    from model.embedder import Embedder
    from model.inference.parity import measure_parity
    from model.inference.proven import Proven
    from model.split_vectors import embed_split

    scales, in_float = _calibrate(opened, examples) if precision == "int8" else (None, ())

    def embedded(name: str) -> "SplitVectors":
        print(f"embedding in {name}", file=sys.stderr)
        encoder = Embedder(opened.encoder, name, opened.fingerprint, device, name, Proven(scales=scales))
        return embed_split(encoder, examples.measured, arguments.batch_size, arguments.workers)

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    parity = measure_parity(embedded("float32"), embedded(precision), examples.data, where)
    return Found(parity, None, scales, in_float)


def _calibrate(
    opened: "LoadedCheckpoint", examples: "Examples"
) -> "tuple[Mapping[str, SiteScales], tuple[str, ...]]":
    from model.inference.calibration import calibrate
    from model.inference.examples import CALIBRATION_PICTURES, drawn

    pixels, _ = drawn(opened.encoder, examples.calibration, CALIBRATION_PICTURES)
    print(f"finding scales on {len(pixels)} pictures", file=sys.stderr)
    scales, errors = calibrate(opened.encoder, pixels)
    return scales, tuple(sorted(errors.keys() - scales.keys()))
