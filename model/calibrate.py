"""`cskt calibrate`: what an encoder's scores mean, and when nobody in a gallery fits.

Galleries of many sizes are drawn from people the encoder was not trained on, and asked for those who are
there and for those who are not. On one half of the people it is learned how likely a crop shows the person
described, and which probability the best hit must have so that few false alarms are raised; on the other half
it is measured whether that holds. The result is kept beside the encoder (matching.json), and `cskt search`
and the service then show probabilities and say when no hit is convincing. Refused, unless by --force, when
the expected calibration error on the other half is above 0.05.

A probability takes it that the person is in the gallery with even odds, seen about as often as people of the
data are.

Calibrate on people like yours: what holds for synthetic people need not hold for your cameras.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import add_example_options, add_form_options, check_example_options, count

if TYPE_CHECKING:
    from model.datasets.samples import Sample
    from model.embedder import Embedder
    from model.matching.calibration import Calibration
    from model.matching.episodes import People

PEOPLE, PICTURES_EACH = 6000, 2
FEWEST_PEOPLE = 200
SHIFTED_SHARE = 3
"""One synthetic person of so many is of the other domain: other cameras, clothes and wording."""

SEEDS = {"base": 6001, "shifted": 6002}
"""Of synthetic people, who are others for every seed."""

QUESTIONS = 6000
"""Of each size of gallery, half of them for people who are not there."""

MOST_ERROR = 0.05


def add_calibrate(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt calibrate`."""
    parser = subparsers.add_parser(
        "calibrate",
        help="learn what an encoder's scores mean: probabilities, and when nobody fits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--encoder", required=True, metavar="FOLDER", help="a checkpoint folder; the result is kept in it")
    add_example_options(parser, "calibrate on", PEOPLE, "two")
    add("--force", action="store_true", help="keep a calibration that does not hold well enough")
    add_form_options(parser)
    add("--batch-size", type=count, default=64, metavar="N")
    add("--workers", type=count, default=2, metavar="N", help="threads that decode, processes that paint")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run_calibrate, when_interrupted="nothing was written.")


def run_calibrate(arguments: argparse.Namespace) -> None:
    """Calibrate, print, and keep it if it holds.

    Raises ConfigError for options that exclude each other and an encoder without a folder, DatasetError for
    people that cannot be used, CheckpointError where it does not hold or cannot be kept.
    """
    from model.embedder import checkpoint_folder, open_embedder
    from model.errors import CheckpointError, ConfigError
    from model.matching.calibration import FILE, write_calibration

    check_example_options(arguments)
    folder = checkpoint_folder(arguments.encoder)
    if folder is None:
        raise ConfigError(
            f"{arguments.encoder} has no folder to keep a calibration in: write it into one first with "
            f"cskt export OUT --encoder {arguments.encoder} --precision float32."
        )
    embedder = open_embedder(arguments.encoder, arguments.device, arguments.precision)
    people, data = _people(embedder, arguments)
    calibration = calibrate(people, embedder.fingerprint, data)
    print(json.dumps(calibration.model_dump(), indent=2) if arguments.json else table(calibration))
    if calibration.calibration_error > MOST_ERROR and not arguments.force:
        raise CheckpointError(
            f"The probabilities are off by {calibration.calibration_error:.3f} on average on people they "
            f"were not fitted to, more than {MOST_ERROR}. Nothing was written; calibrate on more people, "
            "or --force it."
        )
    write_calibration(folder, calibration)
    print(f"written: {folder / FILE}", file=sys.stderr)


def calibrate(people: "People", fingerprint: str, data: str) -> "Calibration":
    """Fit on one half of the people, measure on the other. Raises DatasetError when they are too few."""
    import numpy as np

    from model.errors import DatasetError
    from model.matching.calibration import Calibration
    from model.matching.episodes import simulate, sizes_for
    from model.matching.fitting import calibration_error, fit, report, thresholds

    identities = people.identities
    if len(identities) < FEWEST_PEOPLE:
        raise DatasetError(
            f"{data}: {len(identities)} people with a caption and a picture; a calibration needs "
            f"{FEWEST_PEOPLE} or more."
        )
    rng = np.random.default_rng(0)
    mixed = rng.permutation(identities)
    halves = [people.only(half) for half in np.array_split(mixed, 2)]
    sizes = sizes_for(len(identities) // 2)
    seen, held_out = ([simulate(half, size, QUESTIONS, rng) for size in sizes] for half in halves)
    likelihood = fit(seen)
    limits = [thresholds(likelihood, one) for one in seen]
    reports = [report(likelihood, *pair) for pair in zip(limits, held_out, strict=True)]
    best = np.concatenate([likelihood.probability(one.evidence[:, 0]) for one in held_out])
    return Calibration(
        fingerprint=fingerprint,
        data=data,
        people=len(identities),
        date=datetime.now(UTC).date().isoformat(),
        calibration_error=calibration_error(best, np.concatenate([one.right[:, 0] for one in held_out])),
        likelihood=likelihood,
        sizes=tuple(reports),
    )


def table(calibration: "Calibration") -> str:
    """For people: what holds on those it was not fitted to at the usual rate, by size of the gallery."""
    from model.matching.calibration import DEFAULT_RATE

    lines = [
        f"{calibration.data}: half of {calibration.people:,} people, none of whom anything was fitted to",
        f"expected calibration error of the best hits {calibration.calibration_error:.3f}; "
        f"false alarms wanted: {100 * DEFAULT_RATE:g} % at most",
        "",
        " crops   R@1   error   threshold   false alarms   found   taken for another",
    ]
    for size in calibration.sizes:
        level = size.level(DEFAULT_RATE)
        lines.append(
            f"{size.passages:6,} {100 * size.r1:5.1f} %  {size.calibration_error:.3f}"
            f"       {level.threshold:.3f}         {100 * level.false_alarms:5.2f} %"
            f"  {100 * level.detected:5.1f} %   {100 * level.mistaken:5.2f} %"
        )
    return "\n".join(lines)


def _people(embedder: "Embedder", arguments: argparse.Namespace) -> "tuple[People, str]":
    """Captions and crops as the encoder sees them, and what to call them."""
    from model.datasets import data_place
    from model.evaluate import load_told
    from model.inference.examples import painted
    from model.people.write import PeopleOrder

    if arguments.data is not None:
        named = data_place(arguments.data)
        loaded = load_told(named, arguments.split, skip_bad=False, workers=arguments.workers)
        return _embedded(embedder, [loaded.samples], arguments), f"{named.name}, {arguments.split}"
    wanted = arguments.people or PEOPLE
    shifted = wanted // SHIFTED_SHARE
    parts = []
    with tempfile.TemporaryDirectory(prefix="cskt-calibrate-") as place:
        for domain, number in (("base", wanted - shifted), ("shifted", shifted)):
            folder, seed = Path(place) / domain, SEEDS[domain]
            order = PeopleOrder(folder, number, PICTURES_EACH, seed, domain=domain, split="test")
            parts.append(painted(order, arguments.workers))
        return _embedded(embedder, parts, arguments), f"synthetic people ({wanted:,})"


def _embedded(
    embedder: "Embedder", parts: "Sequence[Sequence[Sample]]", arguments: argparse.Namespace
) -> "People":
    """All parts as one, where a number stands for another person in each."""
    import numpy as np

    from model.matching.episodes import People
    from model.split_vectors import embed_split

    vectors = [embed_split(embedder, part, arguments.batch_size, arguments.workers) for part in parts]
    highest = max(max(*one.image_ids, *one.caption_ids) for one in vectors)
    starts = [part * (highest + 1) for part in range(len(vectors))]
    return People(
        np.concatenate([one.texts for one in vectors]),
        np.concatenate([one.images for one in vectors]),
        np.concatenate([np.add(one.caption_ids, start) for one, start in zip(vectors, starts, strict=True)]),
        np.concatenate([np.add(one.image_ids, start) for one, start in zip(vectors, starts, strict=True)]),
    )
