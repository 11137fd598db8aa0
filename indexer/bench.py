"""`cskt bench gallery`: how fast images become a gallery, and a large one is stored, opened and searched.

Two parts: `bench_indexing.py` needs an encoder and draws synthetic people, `bench_engine.py` needs none and
draws synthetic vectors; `--peers` runs other libraries on the same vectors.
"""

import argparse

from model.arguments import add_form_options, count
from model.bench_report import add_report_options, check_place, publish

INDEXING, ENGINE = "indexing", "engine"
KINDS = "exact,quantised,ivf"
ROWS, QUICK_ROWS = 1_000_000, 50_000
SEARCHES, QUICK_SEARCHES = 60, 20


def add_bench_gallery(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench gallery`."""
    parser = subparsers.add_parser(
        "gallery", help="indexing images; storing, opening and searching many vectors", description=__doc__
    )
    parser.add_argument("--part", choices=(INDEXING, ENGINE), help="only this one")
    parser.add_argument("--images", type=count, metavar="N", help="crops to index (default: 1500, quick 384)")
    parser.add_argument("--rows", type=count, metavar="N", help="vectors (default: 1,000,000, quick 50,000)")
    parser.add_argument(
        "--kinds", default=KINDS, metavar="A,B", help=f"kinds of index, by word or factory (default: {KINDS})"
    )
    parser.add_argument("--peers", action="store_true", help="run usearch and hnswlib beside ours")
    add_report_options(parser)
    add_form_options(parser)
    parser.set_defaults(run=run_bench_gallery)


def run_bench_gallery(arguments: argparse.Namespace) -> int:
    """Measure what was asked for; 0 whether or not the goals are met."""
    from indexer.bench_engine import EngineOrder, measure_engine
    from indexer.bench_indexing import measure_indexing
    from indexer.bench_vectors import DIMENSION
    from indexer.local.coarse_building import check_kind
    from model.embedder import open_embedder

    check_place(arguments.json)
    kinds, results = arguments.kinds.split(","), []
    for kind in kinds:
        check_kind(kind, DIMENSION)
    if arguments.part != ENGINE:
        embedder = open_embedder(arguments.encoder, arguments.device, arguments.precision)
        results += measure_indexing(embedder, arguments.images, arguments.quick)
    if arguments.part != INDEXING:
        rows, searches = (QUICK_ROWS, QUICK_SEARCHES) if arguments.quick else (ROWS, SEARCHES)
        order = EngineOrder(arguments.rows or rows, kinds, searches, arguments.peers)
        results += measure_engine(order)
    publish(results, arguments.json)
    return 0
