"""`cskt evaluate --from-decisions G`: how well one's own gallery answers, by what people decided in cases.

Each sentence that was asked alone and for which somebody was confirmed is a labelled query. It ranks the
whole gallery, whatever filter was set when it was asked; the confirmed rows and the rest of their passages
are its matches.
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from model.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from indexer.filters import Filter
    from indexer.gallery import Gallery
    from indexer.items import GalleryItem
    from model.evaluation import Interval, Ranks
    from service.casework.decided import Labelled, Labels

DEPTH = 10_000
"""A match behind this place counts as not found."""

ENOUGH_CASES = 40
FEW = f"With fewer than {ENOUGH_CASES} cases the intervals are of Wilson, as if each case were one sentence."

CAUTION = (
    "Only people whom somebody found and confirmed are counted: who was there and was never found is not, so "
    "these figures flatter. Intervals are over cases: one case asks for a person more than once."
)


@dataclass(frozen=True)
class Report:
    """Percentages, with 95 % intervals.

    gone: sentences whose rows are not there any more; undecided, another, unchecked: see Labels; few_cases:
    the intervals are of another kind, see `_interval`.
    """

    queries: int
    cases: int
    items: int
    people_needed: int
    undecided: int
    gone: int
    another: int
    unchecked: int
    few_cases: bool
    r1: float
    r1_interval: "Interval"
    r5: float
    r5_interval: "Interval"
    r10: float
    r10_interval: "Interval"
    mean_ap: float
    mean_ap_interval: "Interval"


def add_from_decisions(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    """Give `cskt evaluate` the option; without it the command stays what it is."""
    parser = commands.choices["evaluate"]
    parser.add_argument(
        "--people-needed",
        type=int,
        choices=(1, 2),
        help="with --from-decisions: how many people must agree (default: as the gallery's service asks)",
    )
    parser.add_argument(
        "--from-decisions",
        metavar="G",
        help="instead of data sets: the gallery G by what people decided in the cases of its service",
    )
    plain: Callable[[argparse.Namespace], int | None] = parser.get_default("run")

    def run_evaluate(arguments: argparse.Namespace) -> int | None:
        return run_from_decisions(arguments) if arguments.from_decisions else plain(arguments)

    parser.set_defaults(run=run_evaluate)


def run_from_decisions(arguments: argparse.Namespace) -> int:
    """Print how well the gallery's own encoder finds whom people confirmed. Raises ConfigError."""
    from contextlib import closing

    from indexer.gallery import open_gallery
    from service.casework.decided import labels_of, needed_of
    from service.settings import read_settings

    if arguments.data:
        raise ConfigError(
            "--from-decisions measures a gallery; leave --data out, or leave --from-decisions out."
        )
    settings = read_settings({"gallery": arguments.from_decisions})
    needed = needed_of(settings, arguments.people_needed)
    with closing(open_gallery(settings.gallery)) as gallery:
        labels = labels_of(settings, gallery, needed)
        report = measure(gallery, labels, needed, arguments.device, arguments.precision)
    told = f"{FEW} {CAUTION}" if report.few_cases else CAUTION
    print(json.dumps({**asdict(report), "caution": told}, indent=2) if arguments.json else _table(report))
    return 0


def measure(gallery: "Gallery", labels: "Labels", needed: int, device: str, precision: str) -> Report:
    """The figures of the gallery as it is now. Raises ConfigError when no confirmed row is left in it."""
    from indexer.gallery import check_encoder
    from model.embedder import open_embedder

    embedder = open_embedder(gallery.encoder, device, precision)
    check_encoder(gallery, embedder.name, embedder.fingerprint)
    matches = {one: _with_passages(gallery, one.confirmed) - one.refused for one in labels.labelled}
    there = [one for one in labels.labelled if matches[one]]
    if not there:
        raise ConfigError("None of the confirmed rows is in this gallery any more.")
    vectors = embedder.embed_texts([one.query for one in there])
    ranks = _ranks(gallery, vectors, [matches[one] for one in there])
    return _report(ranks, there, labels, len(gallery), needed)


def _with_passages(gallery: "Gallery", confirmed: frozenset[int]) -> set[int]:
    """The confirmed rows that are still there, and the rest of their passages: tracks and bursts."""
    from indexer.grouping import group_of

    found: set[int] = set()
    for id in confirmed:
        item = gallery.get(id)
        if item is None:
            continue
        near, wanted = _near(item), group_of(id, item)
        ids = [] if near is None else gallery.ids(near).tolist()
        rows: Mapping[int, GalleryItem | None] = {row: gallery.get(row) for row in ids}
        found |= {id} | {
            row for row, facts in rows.items() if facts is not None and group_of(row, facts) == wanted
        }
    return found


def _near(item: "GalleryItem") -> "Filter | None":
    """What lets the passage of an item through, and little else; None for a crop that is alone."""
    from indexer.bursts import ATTRIBUTE as BURST
    from indexer.filters import ATTRIBUTE, OneOf, all_of

    if item.track is not None:
        return all_of(OneOf("track", (item.track,)), OneOf("source", (item.source,)))
    burst = item.attributes.get(BURST)
    return None if burst is None else OneOf(f"{ATTRIBUTE}{BURST}", (burst,))


def _ranks(gallery: "Gallery", vectors: "npt.NDArray[np.float32]", matches: list[set[int]]) -> "Ranks":
    import numpy as np

    from model.evaluation import Ranks

    depth = min(len(gallery), DEPTH)
    firsts, precisions, penalties = [], [], []
    for vector, wanted in zip(vectors, matches, strict=True):
        (hits,) = gallery.search(vector[None], depth)
        places = [place for place, hit in enumerate(hits, 1) if hit.id in wanted]
        firsts.append(places[0] if places else depth + 1)
        precisions.append(sum(number / place for number, place in enumerate(places, 1)) / len(wanted))
        penalties.append(len(wanted) / places[-1] if len(places) == len(wanted) else 0.0)
    return Ranks(np.array(firsts), np.array(precisions), np.array(penalties))


def _report(ranks: "Ranks", there: "list[Labelled]", labels: "Labels", items: int, needed: int) -> Report:
    names = sorted({one.case for one in there})
    case = [names.index(one.case) for one in there]
    found = ranks.metrics()
    return Report(
        queries=len(there),
        cases=len(names),
        items=items,
        people_needed=needed,
        undecided=labels.undecided,
        gone=len(labels.labelled) - len(there),
        another=labels.another,
        unchecked=labels.unchecked,
        few_cases=len(names) < ENOUGH_CASES,
        r1=found.r1,
        r1_interval=_interval(ranks.first_match <= 1, case),
        r5=found.r5,
        r5_interval=_interval(ranks.first_match <= 5, case),
        r10=found.r10,
        r10_interval=_interval(ranks.first_match <= 10, case),
        mean_ap=found.mean_ap,
        mean_ap_interval=_interval(ranks.average_precision, case),
    )


def _interval(values: "npt.NDArray[np.bool_] | npt.NDArray[np.float64]", case: list[int]) -> "Interval":
    """The 95 % interval of a mean: cases resampled, or of Wilson as if each case were one query.

    With few cases resampling is too narrow, where nearly all is found most of all. Simulated 95 % intervals
    of R@1 (one to eight sentences a case, true shares of 30 to 95 %, sentences of a case more or less alike)
    held the truth in 43 % with two cases, 73 % with five, 82 % with ten (45 % at worst), 93 % with forty.
    Those of Wilson held it in 98 % (92 % at worst) with any number: too wide by a third with forty cases.
    """
    from model.evaluation import bootstrap_interval

    cases = max(case) + 1
    if cases >= ENOUGH_CASES:
        return bootstrap_interval(values, case)
    mean, z = float(values.mean()), 1.96
    middle = (mean + z * z / (2 * cases)) / (1 + z * z / cases)
    half = z / (1 + z * z / cases) * math.sqrt(mean * (1 - mean) / cases + z * z / (4 * cases * cases))
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def _table(report: Report) -> str:
    from model.evaluation_tables import aligned, interval_text

    head = ["queries", "cases", "images"]
    row = [f"{number:,}" for number in (report.queries, report.cases, report.items)]
    for name, figure, interval in (
        ("R@1", report.r1, report.r1_interval),
        ("R@5", report.r5, report.r5_interval),
        ("R@10", report.r10, report.r10_interval),
        ("mAP", report.mean_ap, report.mean_ap_interval),
    ):
        head += [name, "(95 %)"]
        row += [f"{figure:.2f}", interval_text(interval)]
    told = [f"All in percent. {report.people_needed} must agree before somebody is confirmed."]
    if report.few_cases:
        told.append(f"{FEW} There are {report.cases}.")
    told.append(f"{report.undecided} pairs of a sentence and a row are neither confirmed nor turned down.")
    for number, what in (
        (report.gone, "sentences are left out: whom they found is not in the gallery any more."),
        (report.another, "decisions are left out: another item has the number of the row they were made on."),
        (
            report.unchecked,
            "confirmed rows are of an earlier version: not checked to be those that were meant.",
        ),
    ):
        if number:
            told.append(f"{number} {what}")
    return "\n".join([*aligned([tuple(head), tuple(row)]), "", *told, CAUTION])
