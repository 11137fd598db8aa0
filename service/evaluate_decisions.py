"""`cskt evaluate --from-decisions G`: how well one's own gallery answers, by what people decided in cases.

Each sentence that was asked alone and for which somebody was confirmed is a labelled query. It ranks the
whole gallery, whatever filter was set when it was asked; the confirmed rows and the rest of their passages
are its matches.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from model.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from indexer.gallery import Gallery
    from indexer.items import GalleryItem
    from model.evaluation import Interval, Ranks
    from service.casework.case_file import Finding
    from service.settings import Settings

DEPTH = 10_000
"""A match behind this place counts as not found."""

CAUTION = (
    "Only people whom somebody found and confirmed are counted: who was there and was never found is not, so "
    "these figures flatter. Cases are resampled for the intervals: one case asks for a person more than once."
)


@dataclass(frozen=True)
class Labelled:
    """A sentence asked in a case, and the rows that were confirmed for it."""

    case: str
    query: str
    confirmed: frozenset[int]


@dataclass(frozen=True)
class Report:
    """Percentages, with 95 % intervals; `undecided`: people with decisions that came to nothing."""

    queries: int
    cases: int
    items: int
    undecided: int
    r1: float
    r1_interval: "Interval"
    r5: float
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
    from service.settings import read_settings

    if arguments.data:
        raise ConfigError(
            "--from-decisions measures a gallery; leave --data out, or leave --from-decisions out."
        )
    settings = read_settings({"gallery": arguments.from_decisions})
    with closing(open_gallery(settings.gallery)) as gallery:
        labelled, undecided = labels_of(settings, gallery)
        report = measure(gallery, labelled, undecided, arguments.device, arguments.precision)
    print(json.dumps({**asdict(report), "caution": CAUTION}, indent=2) if arguments.json else _table(report))
    return 0


def labels_of(settings: "Settings", gallery: "Gallery") -> tuple[list[Labelled], int]:
    """Every sentence with somebody confirmed, and how many people were left undecided. Raises ConfigError."""
    from service.casework.case_file import case_file
    from service.casework.desk import CONFIRMING
    from service.casework.entries import FILE, Entries

    place = settings.state_folder / FILE
    if not place.exists():
        raise ConfigError(f"{place} is not there: no decision was ever kept for this gallery.")
    entries = Entries(settings.state_folder)
    needed = CONFIRMING[settings.profile]
    files = {
        case: [found for found in case_file(written, needed, gallery.get).findings if found.asked == "words"]
        for case, written in entries.by_case().items()
    }
    entries.close()
    labelled = [one for case, findings in files.items() for one in _of_case(case, findings)]
    if not labelled:
        raise ConfigError(
            "Nobody is confirmed in any case yet: decide who is the person searched for, first."
        )
    open_states = ("one more", "disputed", "unsure")
    return labelled, sum(found.state in open_states for findings in files.values() for found in findings)


def _of_case(case: str, findings: "Iterable[Finding]") -> list[Labelled]:
    confirmed: dict[str, set[int]] = {}
    for found in findings:
        if found.state == "confirmed":
            confirmed.setdefault(found.query, set()).add(found.item)
    return [Labelled(case, query, frozenset(items)) for query, items in confirmed.items()]


def measure(
    gallery: "Gallery", labelled: list[Labelled], undecided: int, device: str, precision: str
) -> Report:
    """The figures of the gallery as it is now. Raises ConfigError when no confirmed row is left in it."""
    from indexer.gallery import check_encoder
    from model.embedder import open_embedder

    embedder = open_embedder(gallery.encoder, device, precision)
    check_encoder(gallery, embedder.name, embedder.fingerprint)
    matches = {one: _with_passages(gallery, one.confirmed) for one in labelled}
    there = [one for one in labelled if matches[one]]
    if not there:
        raise ConfigError("None of the confirmed rows is in this gallery any more.")
    vectors = embedder.embed_texts([one.query for one in there])
    ranks = _ranks(gallery, vectors, [matches[one] for one in there])
    return _report(ranks, there, len(gallery), undecided)


def _with_passages(gallery: "Gallery", confirmed: frozenset[int]) -> set[int]:
    """The confirmed rows that are still there, and the rest of their passages."""
    from indexer.filters import OneOf, all_of
    from indexer.grouping import group_of

    found: set[int] = set()
    for id in confirmed:
        item = gallery.get(id)
        if item is None:
            continue
        found.add(id)
        if item.track is not None:
            where = all_of(OneOf("track", (item.track,)), OneOf("source", (item.source,)))
            rows: Mapping[int, GalleryItem | None] = {
                row: gallery.get(row) for row in gallery.ids(where).tolist()
            }
            wanted = group_of(id, item)
            found |= {
                row for row, facts in rows.items() if facts is not None and group_of(row, facts) == wanted
            }
    return found


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


def _report(ranks: "Ranks", labelled: list[Labelled], items: int, undecided: int) -> Report:
    from model.evaluation import bootstrap_interval

    names = sorted({one.case for one in labelled})
    case = [names.index(one.case) for one in labelled]
    found = ranks.metrics()
    return Report(
        queries=len(labelled),
        cases=len(names),
        items=items,
        undecided=undecided,
        r1=found.r1,
        r1_interval=bootstrap_interval(ranks.first_match <= 1, case),
        r5=found.r5,
        r10=found.r10,
        r10_interval=bootstrap_interval(ranks.first_match <= 10, case),
        mean_ap=found.mean_ap,
        mean_ap_interval=bootstrap_interval(ranks.average_precision, case),
    )


def _table(report: Report) -> str:
    from model.evaluation_tables import aligned, interval_text

    head = ("queries", "cases", "images", "R@1", "(95 %)", "R@5", "R@10", "(95 %)", "mAP", "(95 %)")
    row = (
        *(f"{number:,}" for number in (report.queries, report.cases, report.items)),
        f"{report.r1:.2f}",
        interval_text(report.r1_interval),
        f"{report.r5:.2f}",
        f"{report.r10:.2f}",
        interval_text(report.r10_interval),
        f"{report.mean_ap:.2f}",
        interval_text(report.mean_ap_interval),
    )
    undecided = f"{report.undecided} people with decisions are not confirmed and not turned down.\n"
    few = "One case only: the intervals say nothing.\n" if report.cases == 1 else ""
    return "\n".join([*aligned([head, row]), "", f"All in percent. {few}{undecided}{CAUTION}"])
