"""How long a search takes over HTTP: `cskt bench serve --part clients`.

One keep-alive client asks sentence after sentence; the baseline, which is also the floor, is the same
sentences encoded and searched in this process without HTTP. What the service itself adds is the time of each
answer less what it says encoding and searching took. Then 16 clients ask at once; their baseline is the one
client. All take turns in rounds.
"""

import http.client
import json
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model.bench_report import Result, measured
from service.serving_process import HOST, Served, resident

if TYPE_CHECKING:
    from indexer.gallery import Gallery
    from model.embedder import Embedder

WARM_UP = 20
ROUNDS = 5
CLIENTS = 16
TOP_K = 24  # what the page asks for
ANSWER_SECONDS = 60.0
GOAL_P50, GOAL_RESIDENT = 40.0, 1.5e9
GOAL_OWN_P50, GOAL_OWN_P99 = 2.0, 5.0
MEGABYTE = 1e6


@dataclass
class Times:
    """Milliseconds a query (own: what is neither encoding nor searching), queries per second of the 16
    clients (one figure a round), bytes at most."""

    http: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    resident: int = 0


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
            asked_times = [ask(connection, sentence) for sentence in part]
        times.http += [whole for whole, _ in asked_times]
        times.own += [own for _, own in asked_times]
        times.inside += [ask_inside(embedder, gallery, sentence) for sentence in part]
        times.together.append(ask_together(served.port, part))
        times.resident = max(times.resident, resident(served.processes()))
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


def ask(connection: http.client.HTTPConnection, sentence: str) -> tuple[float, float]:
    """Milliseconds until a search is answered whole, and those of them that were neither spent on encoding
    (with the wait for the encoder) nor on searching. Raises ServeError for any other answer."""
    from service.errors import ServeError

    body = json.dumps({"text": sentence, "top_k": TOP_K}).encode()
    started = time.perf_counter()
    try:
        connection.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ServeError(f"The service stopped answering ({type(error).__name__}); run it again.") from error
    elapsed = (time.perf_counter() - started) * 1000
    if answer.status != http.HTTPStatus.OK:
        raise ServeError(f"The service refused a search: {content[:300].decode(errors='replace')}")
    took = json.loads(content)["took_ms"]
    return elapsed, elapsed - took["encode"] - took["search"]


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
    own = [
        measured(f"the service's own share, p{share}", percentile(times.own, share), "ms", at_most=most)
        for share, most in ((50, GOAL_OWN_P50), (99, GOAL_OWN_P99))
    ]
    together, alone = statistics.median(times.together), 1000 / statistics.fmean(times.http)
    memory = times.resident / MEGABYTE
    return [
        *searches,
        *own,
        measured(f"{CLIENTS} clients at once (baseline: one)", together, "queries/s", baseline=alone),
        measured("resident memory of cskt serve", memory, "MB", at_most=GOAL_RESIDENT / MEGABYTE),
    ]


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that `share` per cent of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]
