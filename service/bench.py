"""`cskt bench serve`: how long a search takes over HTTP, how many a second, in how much memory.

A gallery of random unit vectors is made (a search compares with every row, so real ones would take as long)
and served by a real `cskt serve` on a free loopback port. One keep-alive client asks sentence after sentence;
the baseline, which is also the floor, is the same sentences encoded and searched in this process without
HTTP. Then 16 clients ask at once; their baseline is the one client. All take turns in rounds.
"""

import argparse
import http.client
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import count
from model.bench_report import (
    Result,
    add_report_options,
    check_place,
    measured,
    publish,
    resident_bytes,
)
from service.serving_process import HOST, Served, serving

if TYPE_CHECKING:
    from indexer.gallery import Gallery
    from model.embedder import Embedder

ITEMS = 10_000
QUERIES, QUICK_QUERIES, WARM_UP = 300, 100, 20
ROUNDS = 5
CLIENTS = 16
TOP_K = 24  # what the page asks for
ROWS_AT_ONCE = 1000
ANSWER_SECONDS = 60.0
GOAL_P50, GOAL_RESIDENT = 40.0, 1.5e9
MEGABYTE = 1e6

COLOURS = ("red", "dark blue", "light grey", "black", "white", "green", "yellow", "pink", "brown", "orange")
UPPER = ("t-shirt", "striped shirt", "leather jacket", "hoodie with a logo", "long coat", "sweater")
LOWER = ("jeans", "trousers", "shorts", "skirt", "sports trousers")
CARRIED = ("", ", carrying a backpack", ", with a handbag", " and a cap", ", pulling a suitcase behind them")


@dataclass
class Times:
    """Milliseconds a query, and queries per second of the 16 clients, one figure a round; bytes at most."""

    http: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    resident: int = 0


def add_bench_serve(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt bench serve`."""
    parser = subparsers.add_parser(
        "serve", help="searching over HTTP: milliseconds, queries per second, memory", description=__doc__
    )
    parser.add_argument(
        "--items", type=count, default=ITEMS, metavar="N", help=f"rows of the gallery (default: {ITEMS})"
    )
    parser.add_argument(
        "--queries", type=count, metavar="N", help=f"searches (default: {QUERIES}, quick {QUICK_QUERIES})"
    )
    add_report_options(parser)
    parser.set_defaults(run=run_bench_serve)


def run_bench_serve(arguments: argparse.Namespace) -> int:
    """Measure searching; 0 whether or not the goals are met."""
    from indexer.gallery import open_gallery
    from model.embedder import open_embedder
    from service.serving import use_cores
    from service.settings import read_settings

    check_place(arguments.json)
    settings = read_settings({"host": HOST})
    queries = arguments.queries or (QUICK_QUERIES if arguments.quick else QUERIES)
    use_cores(settings)  # as the service does
    embedder = open_embedder(arguments.encoder, settings.device, settings.precision)
    with tempfile.TemporaryDirectory(prefix="cskt-bench-") as name:
        place = Path(name)
        fill(place / "gallery", embedder, arguments.items)
        with (
            closing(open_gallery(place / "gallery")) as gallery,
            serving(place / "gallery", arguments.encoder, place) as served,
        ):
            times = measure(served, embedder, gallery, sentences(queries + WARM_UP))
    publish(results_of(times, arguments.items), arguments.json)
    return 0


def fill(place: Path, embedder: "Embedder", items: int) -> None:
    """Make a gallery of random unit vectors, each with the same small picture."""
    import numpy as np
    from PIL import Image

    from indexer.gallery import open_gallery
    from indexer.items import EmbeddedItem, GalleryItem
    from indexer.prepared import thumbnail

    picture = thumbnail(Image.linear_gradient("L").resize((64, 128)))
    draws = np.random.default_rng(0)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    with closing(open_gallery(place, create_for=made_by, write=True)) as gallery:
        for start in range(0, items, ROWS_AT_ONCE):
            rows = range(start, min(start + ROWS_AT_ONCE, items))
            vectors = draws.standard_normal((len(rows), embedder.dimension)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            facts = [GalleryItem(f"{row}", f"{row}.jpg", "bench", camera=f"camera {row % 4}") for row in rows]
            gallery.add([EmbeddedItem(*pair, picture) for pair in zip(facts, vectors, strict=True)])
        gallery.build_generation()


def sentences(number: int) -> list[str]:
    """Descriptions of people, the same at every call."""
    draw = random.Random(0)
    return [
        f"a {draw.choice(('man', 'woman', 'person'))} in a {draw.choice(COLOURS)} {draw.choice(UPPER)} and "
        f"{draw.choice(COLOURS)} {draw.choice(LOWER)}{draw.choice(CARRIED)}"
        for _ in range(number)
    ]


def measure(served: Served, embedder: "Embedder", gallery: "Gallery", asked: Sequence[str]) -> Times:
    """Ask everything over HTTP, in this process, and by many clients, in turns; the first few warm up."""
    times = Times()
    with closing(connect(served.port)) as connection:
        for sentence in asked[:WARM_UP]:
            ask(connection, sentence)
            ask_inside(embedder, gallery, sentence)
    rest = asked[WARM_UP:]
    for part in (rest[number::ROUNDS] for number in range(min(ROUNDS, len(rest)))):
        with closing(connect(served.port)) as connection:
            times.http += [ask(connection, sentence) for sentence in part]
        times.inside += [ask_inside(embedder, gallery, sentence) for sentence in part]
        times.together.append(ask_together(served.port, part))
        times.resident = max(times.resident, resident_bytes(served.process))
    return times


def connect(port: int) -> http.client.HTTPConnection:
    """An open keep-alive connection. One a round: the service closes those that are idle for long.

    Raises ServeError when nobody listens.
    """
    from service.errors import ServeError

    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.connect()
    except OSError as error:
        raise ServeError(f"The service cannot be reached ({type(error).__name__}); run it again.") from error
    return connection


def ask(connection: http.client.HTTPConnection, sentence: str) -> float:
    """Milliseconds until a search is answered whole. Raises ServeError for any other answer."""
    from service.errors import ServeError

    body = json.dumps({"text": sentence, "top_k": TOP_K}).encode()
    started = time.perf_counter()
    try:
        connection.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ServeError(f"The service stopped answering ({type(error).__name__}); run it again.") from error
    elapsed = time.perf_counter() - started
    if answer.status != http.HTTPStatus.OK:
        raise ServeError(f"The service refused a search: {content[:300].decode(errors='replace')}")
    return elapsed * 1000


def ask_inside(embedder: "Embedder", gallery: "Gallery", sentence: str) -> float:
    """Milliseconds of the same search in this process."""
    started = time.perf_counter()
    gallery.search(embedder.embed_texts([sentence]), TOP_K)
    return (time.perf_counter() - started) * 1000


def ask_together(port: int, part: Sequence[str]) -> float:
    """Queries per second when every client asks a quarter of the sentences, each from another start."""
    from concurrent.futures import ThreadPoolExecutor

    each = math.ceil(len(part) / 4)

    def run(number: int) -> None:
        for step in range(each):
            ask(connections[number], part[(number * each + step) % len(part)])

    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(port))) for _ in range(CLIENTS)]
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        started = time.perf_counter()
        list(pool.map(run, range(CLIENTS)))
        return CLIENTS * each / (time.perf_counter() - started)


def results_of(times: Times, items: int) -> list[Result]:
    """The figures of a run; percentiles over all rounds."""
    searches = [
        measured(
            f"search over HTTP at {items} items, p{share} (baseline: without HTTP)",
            percentile(times.http, share),
            "ms",
            baseline=percentile(times.inside, share),
            at_most=GOAL_P50 if share == 50 else None,
        )
        for share in (50, 95, 99)
    ]
    together, alone = statistics.median(times.together), 1000 / statistics.fmean(times.http)
    memory = times.resident / MEGABYTE
    return [
        *searches,
        measured(f"{CLIENTS} clients at once (baseline: one)", together, "queries/s", baseline=alone),
        measured("resident memory of cskt serve", memory, "MB", at_most=GOAL_RESIDENT / MEGABYTE),
    ]


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that `share` per cent of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]
