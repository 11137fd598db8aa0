"""`cskt bench serve`: searching over HTTP, alone, in a crowd, under far too much load, beside a rival,
and from the page.

A gallery of random unit vectors is made and served by a real `cskt serve` on a free loopback port.
"""

import argparse
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import count
from model.bench_report import Result, add_report_options, check_place, publish

if TYPE_CHECKING:
    from model.embedder import Embedder

CLIENTS, LOAD, RIVAL, PAGE = "clients", "load", "rival", "page"
ITEMS = 100_000
QUERIES, QUICK_QUERIES = 300, 100
SECONDS, QUICK_SECONDS = 20.0, 3.0
DEADLINE = 1000
PAGE_VISITS = 10
TOP_K = 24  # what the page asks for


def add_bench_serve(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench serve`."""
    parser = subparsers.add_parser(
        "serve", help="searching over HTTP: milliseconds, queries per second, overload", description=__doc__
    )
    parser.add_argument(
        "--part", choices=(CLIENTS, LOAD, RIVAL, PAGE), help="only this one (default: clients, load)"
    )
    parser.add_argument(
        "--items", type=count, default=ITEMS, metavar="N", help=f"rows of the gallery (default: {ITEMS})"
    )
    parser.add_argument(
        "--queries", type=count, metavar="N", help=f"sentences (default: {QUERIES}, quick {QUICK_QUERIES})"
    )
    parser.add_argument(
        "--seconds", type=count, metavar="S", help=f"of each load (default: {SECONDS:.0f}, quick 3)"
    )
    parser.add_argument(
        "--deadline",
        type=count,
        default=DEADLINE,
        metavar="MS",
        help=f"of a request (default: {DEADLINE})",
    )
    parser.add_argument(
        "--rival-python",
        type=Path,
        metavar="PYTHON",
        help="of an environment with infinity-emb, transformers<5, faiss-cpu and pillow, for --part rival",
    )
    add_report_options(parser)
    parser.set_defaults(run=run_bench_serve)


def run_bench_serve(arguments: argparse.Namespace) -> int:
    """Measure what was asked for; 0 whether or not the goals are met."""
    from model.embedder import open_embedder
    from model.errors import ConfigError
    from service.bench_data import fill
    from service.serving import use_cores
    from service.settings import read_settings

    check_place(arguments.json)
    if arguments.part == RIVAL and arguments.rival_python is None:
        raise ConfigError("--part rival needs --rival-python; see cskt bench serve --help.")
    settings = read_settings({"host": "127.0.0.1"})
    use_cores(settings.threads)  # as the service does
    embedder = open_embedder(arguments.encoder, settings.device, settings.precision)
    with tempfile.TemporaryDirectory(prefix="cskt-bench-") as name:
        place = Path(name)
        fill(place / "gallery", embedder, arguments.items)
        results = _measure(arguments, embedder, place)
    publish(results, arguments.json)
    return 0


def _measure(arguments: argparse.Namespace, embedder: "Embedder", place: Path) -> list[Result]:
    import uvloop

    from indexer.gallery import open_gallery
    from service.bench_clients import WARM_UP, measure
    from service.bench_clients import results_of as results_of_clients
    from service.bench_data import sentences
    from service.bench_load import LoadOrder, measure_load
    from service.bench_load import results_of as results_of_load
    from service.bench_page import measure_page
    from service.bench_page import results_of as results_of_page
    from service.bench_rival import beside_rival
    from service.serving_process import serving

    seconds = arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS)
    order = LoadOrder(arguments.deadline, seconds, TOP_K)
    queries = arguments.queries or (QUICK_QUERIES if arguments.quick else QUERIES)
    asked = sentences(queries + WARM_UP)
    results: list[Result] = []
    with serving(place / "gallery", arguments.encoder, place) as served:
        if arguments.part in (None, CLIENTS):
            with closing(open_gallery(place / "gallery")) as gallery:
                times = measure(served, embedder, gallery, asked)
            results += results_of_clients(times, arguments.items)
        if arguments.part in (None, LOAD):
            load = uvloop.run(measure_load(served, asked, order))
            results += results_of_load(load, order)
        if arguments.part == PAGE:
            results += results_of_page(measure_page(served.port, asked[: queries // 5], visits=PAGE_VISITS))
        if arguments.part == RIVAL:
            results += beside_rival(served, embedder, arguments.items, asked, order, arguments.rival_python)
    return results
